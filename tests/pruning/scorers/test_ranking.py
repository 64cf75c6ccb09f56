"""Scores that are drawn, and which tokens scores keep."""

from __future__ import annotations

import pytest
import torch

from fastv.pruning.scorers.ranking import highest, random_scores


def test_random_rows_are_drawn_alike_alone_and_in_a_batch():
    batch = random_scores([16, 0, 5], seed=3)
    assert batch.shape == (3, 16) and batch.dtype == torch.float32
    assert torch.equal(batch[0], random_scores([16], seed=3)[0])
    assert torch.equal(batch[2, :5], random_scores([5], seed=3)[0]) and torch.isinf(batch[2, 5:]).all()
    assert not torch.equal(batch[0], random_scores([16], seed=4)[0])


def test_random_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    random_scores([16], seed=3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("counts", [(0, 0), (1, 4), (9, 2)])
def test_kept_tokens_have_the_highest_scores(counts):
    scores = torch.rand(2, 9, generator=torch.Generator().manual_seed(1))
    chosen = highest(scores, torch.tensor(counts))
    assert chosen.sum(dim=1).tolist() == list(counts)
    for row, kept in zip(scores, chosen):
        if kept.any() and not kept.all():
            assert row[kept].min() >= row[~kept].max()


def test_of_equal_scores_the_earlier_ones_are_kept():
    scores = torch.tensor([[0.1, 0.5, 0.1, 0.1, 0.1]])
    assert highest(scores, torch.tensor([3])).tolist() == [[True, True, True, False, False]]
    assert highest(torch.zeros(1, 1000), torch.tensor([400]))[0].nonzero()[:, 0].tolist() == list(range(400))
