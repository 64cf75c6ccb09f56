"""Which words rate the picture, its own attention, and what changes from frame to frame: against plain loops."""

from __future__ import annotations

from math import exp

import torch

from fastv.pruning.scorers.picture_keys import picture_attention
from fastv.pruning.scorers.raters import raters_of
from fastv.pruning.scorers.temporal import change_since_last_frame


def test_raters_have_more_than_the_mean_of_the_pictures_votes():
    generator = torch.Generator().manual_seed(3)
    visual, text = torch.randn(3, 6, 4, generator=generator), torch.randn(3, 5, 4, generator=generator)
    present = torch.arange(6) < torch.tensor([[6], [3], [0]])
    candidates = torch.arange(5) >= torch.tensor([[1], [4], [2]])
    found = raters_of(visual, present, text, candidates)
    for row in (0, 1):
        words = candidates[row].nonzero()[:, 0].tolist()
        votes = dict.fromkeys(words, 0.0)
        for i in present[row].nonzero()[:, 0].tolist():
            shares = {t: exp(float(visual[row, i] @ text[row, t])) for t in words}
            for t in words:
                votes[t] += shares[t] / sum(shares.values()) / int(present[row].sum())
        mean = sum(votes.values()) / len(votes)
        wanted = {t for t in words if votes[t] > mean} or set(words)
        assert set(found[row].nonzero()[:, 0].tolist()) == wanted
    assert found[1].tolist() == candidates[1].tolist()  # a single word
    assert found[2].tolist() == candidates[2].tolist()  # no picture


def test_picture_attention_is_a_softmax_over_its_tokens_alone():
    generator = torch.Generator().manual_seed(1)
    query, key = torch.randn(2, 4, 9, 3, generator=generator), torch.randn(2, 2, 9, 3, generator=generator)
    positions = torch.tensor([[1, 2, 5], [0, 6, -1]])
    found = picture_attention(query, key, 0.7, positions)
    for row in range(2):
        columns = [p for p in positions[row].tolist() if p >= 0]
        wanted = dict.fromkeys(columns, 0.0)
        for head in range(4):
            weights = {p: exp(0.7 * float(query[row, head, -1] @ key[row, head // 2, p])) for p in columns}
            for p in columns:
                wanted[p] += weights[p] / sum(weights.values()) / 4
        torch.testing.assert_close(found[row, : len(columns)], torch.tensor([wanted[p] for p in columns]))
    assert found[1, 2] == 0


def test_change_is_measured_against_the_same_place_a_frame_earlier():
    states = torch.randn(12, 5, generator=torch.Generator().manual_seed(2))
    found = change_since_last_frame(states, frames=3)
    for index in range(12):
        wanted = 3.0 if index < 4 else 1 - float(torch.cosine_similarity(states[index], states[index - 4], dim=0))
        assert abs(float(found[index]) - wanted) < 1e-6
