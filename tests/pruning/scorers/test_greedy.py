"""Greedy choices, against loops that follow the papers' formulas."""

from __future__ import annotations

import pytest
import torch

from fastv.pruning.scorers import greedy, similarity
from fastv.pruning.scorers.pivots import least_like_pivots
from fastv.pruning.scorers.similarity import mean_similarity, unit_vectors
from tests.support import selection_references as reference

COUNT, WIDTH = 14, 6


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch_of_two() -> tuple[torch.Tensor, torch.Tensor]:
    """States of two prompts, the second with fewer tokens, and two tokens twice; and which columns are empty."""
    states = vectors(2, COUNT, WIDTH)
    states[0, 9] = states[0, 2]
    states[1, 10:] = 0
    return states, torch.arange(COUNT) >= torch.tensor([[COUNT], [10]])


def kept(chosen: torch.Tensor) -> list[list[int]]:
    return [row.nonzero()[:, 0].tolist() for row in chosen]


@pytest.fixture(params=[10**9, 1], ids=["held", "row by row"])
def memory(request, monkeypatch):
    monkeypatch.setattr(similarity, "_MOST_HELD", request.param)


@pytest.mark.parametrize("keep", [(0, 0), (1, 1), (5, 3), (6, 0), (13, 9), (14, 10)])
@pytest.mark.usefixtures("memory")
def test_farthest_first(keep):
    states, absent = batch_of_two()
    chosen = greedy.farthest_first(unit_vectors(states), absent, torch.tensor(keep))
    assert kept(chosen) == [reference.divprune(states[0], keep[0]), reference.divprune(states[1, :10], keep[1])]


def test_farthest_first_of_one_token_and_of_equal_ones():
    alone = torch.zeros(1, 1, dtype=torch.bool)
    assert kept(greedy.farthest_first(torch.ones(1, 1, 1), alone, torch.tensor([1]))) == [[0]]
    equal = unit_vectors(torch.ones(1, 6, 4))
    chosen = greedy.farthest_first(equal, torch.zeros(1, 6, dtype=torch.bool), torch.tensor([3]))
    assert kept(chosen) == [[0, 1, 2]]


@pytest.mark.parametrize("theta", [1.0, 0.5])
@pytest.mark.parametrize("keep", [(0, 0), (1, 1), (4, 5), (6, 0), (9, 8), (13, 10)])  # the kernel's rank is 6
@pytest.mark.usefixtures("memory")
def test_determinant_first(keep, theta):
    states, absent = batch_of_two()
    text = vectors(2, 3, WIDTH, seed=1)
    units = unit_vectors(states)
    relevance = mean_similarity(units, text, torch.ones(2, 3, dtype=torch.bool))
    low = relevance.masked_fill(absent, 9).amin(dim=1, keepdim=True)
    high = relevance.masked_fill(absent, -9).amax(dim=1, keepdim=True)
    quality = (relevance - low) / (high - low)
    if theta < 1:
        quality = (theta / (2 * (1 - theta)) * quality).exp()
    features = (units * quality[..., None]).masked_fill(absent[..., None], 0)
    chosen = greedy.determinant_first(features, quality.clamp(min=0), absent, torch.tensor(keep))
    expected = [
        reference.cdpruner(states[0], text[0], keep[0], theta),
        reference.cdpruner(states[1, :10], text[1], keep[1], theta),
    ]
    assert kept(chosen) == expected


@pytest.mark.parametrize("keep", [(0, 0), (3, 1), (4, 4), (7, 5), (12, 9), (14, 10)])
@pytest.mark.parametrize("pivots", [4, 2])
def test_least_like_pivots(keep, pivots):
    states, absent = batch_of_two()
    states[0, 9] += 0.01  # the loops' float64 may order equal cosines otherwise
    text, strength, text_strength = vectors(2, 7, WIDTH, seed=1), vectors(2, COUNT, seed=2), vectors(2, 7, seed=3)
    text_strength[1, :4] = float("-inf")
    chosen = least_like_pivots(
        unit_vectors(states), strength, absent, unit_vectors(text), text_strength, torch.tensor(keep), pivots
    )
    assert kept(chosen) == [
        reference.dart(states[0], strength[0], text[0], text_strength[0], keep[0], pivots),
        reference.dart(states[1, :10], strength[1], text[1, 4:], text_strength[1, 4:], keep[1], pivots),
    ]


def test_rows_choose_as_they_would_alone():
    states, absent = batch_of_two()
    keep = torch.tensor([5, 4])
    together = kept(greedy.farthest_first(unit_vectors(states), absent, keep))
    alone = greedy.farthest_first(unit_vectors(states[1:, :10]), absent[1:, :10], keep[1:])
    assert together[1:] == kept(alone)
