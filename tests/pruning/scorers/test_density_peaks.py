"""Clusters around density peaks, against their definition written out token by token."""

from __future__ import annotations

from math import exp

import pytest
import torch

from fastv.pruning.scorers.density_peaks import cluster_means, density_peaks


def one_by_one(states: torch.Tensor, clusters: int) -> dict[int, list[int]]:
    """Centre -> members."""
    count, width = states.shape
    distance = [[float((a - b).norm()) / width**0.5 for b in states.double()] for a in states.double()]
    density = [exp(-sum(d * d for d in sorted(row)[:clusters]) / clusters) for row in distance]
    farthest = max(map(max, distance))
    score = []
    for i in range(count):
        denser = [j for j in range(count) if (density[j], -j) > (density[i], -i)]
        score.append(density[i] * min((distance[i][j] for j in denser), default=farthest))
    centres = sorted(range(count), key=lambda i: (-score[i], i))[:clusters]
    found: dict[int, list[int]] = {centre: [centre] for centre in centres}
    for i in range(count):
        if i not in found:
            found[min(centres, key=lambda centre: distance[i][centre])].append(i)
    return found


@pytest.mark.parametrize("count, clusters", [(30, 4), (30, 1), (5, 5), (1, 1), (12, 2)])
def test_finds_the_clusters_of_the_definition(count, clusters):
    states = torch.randn(count, 7, generator=torch.Generator().manual_seed(count))
    wanted = one_by_one(states, clusters)
    centres, members = density_peaks(states, clusters)
    found = {centre: (members == number).nonzero()[:, 0].tolist() for number, centre in enumerate(centres.tolist())}
    assert {centre: sorted(those) for centre, those in wanted.items()} == found
    means, sizes = cluster_means(states, members, clusters)
    for number, centre in enumerate(centres.tolist()):
        torch.testing.assert_close(means[number], states[wanted[centre]].mean(dim=0))
        assert sizes[number] == len(wanted[centre])


def test_groups_that_lie_apart_are_found():
    generator = torch.Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    states = middles.repeat_interleave(8, dim=0) + 0.1 * torch.randn(24, 2, generator=generator)
    _, members = density_peaks(states, 3)
    assert all(len(set(part.tolist())) == 1 for part in members.view(3, 8)) and len(set(members.tolist())) == 3


def test_tokens_that_are_all_alike_are_one_neighbourhood():
    centres, members = density_peaks(torch.ones(6, 3), 2)
    assert centres.tolist() == [0, 1] and len(members) == 6
