"""VisionZip's dominant and contextual tokens, against its steps written out token by token."""

from __future__ import annotations

import pytest
import torch

from fastv.pruning.scorers.contextual_merging import DOMINANT, contextual_groups, merged


def one_by_one(attention, keys, states, keep, contextual):
    """The tokens that stay, with their states and how many tokens each stands for."""
    order = sorted(range(len(attention)), key=lambda i: (-attention[i], i))
    dominant, rest = order[: keep - contextual], sorted(order[keep - contextual :])
    kept = {i: (states[i].double(), 1) for i in dominant}
    if not contextual:
        return kept
    step = max(1, len(rest) // contextual)
    targets = [rest[step * number] for number in range(contextual)]
    given = {target: [] for target in targets}
    for i in rest:
        if i in given:
            continue
        likeness = [float(torch.cosine_similarity(keys[i].double(), keys[t].double(), dim=0)) for t in targets]
        given[targets[likeness.index(max(likeness))]].append(i)
    for target, others in given.items():
        mean = sum(states[i].double() for i in others) / len(others) if others else 0
        kept[target] = (states[target].double() + mean, 1 + len(others))
    return kept


@pytest.mark.parametrize("count, keep, contextual", [(40, 12, 2), (40, 12, 0), (40, 12, 12), (10, 9, 3), (7, 1, 1)])
def test_merges_what_the_paper_merges(count, keep, contextual):
    generator = torch.Generator().manual_seed(count * keep)
    attention = torch.rand(count, generator=generator)
    keys, states = torch.randn(count, 5, generator=generator), torch.randn(count, 6, generator=generator)
    wanted = one_by_one(attention.tolist(), keys, states, keep, contextual)
    targets, group = contextual_groups(attention, keys, keep, contextual)
    assert set((group == DOMINANT).nonzero()[:, 0].tolist()) | set(targets.tolist()) == set(wanted)
    new, weights = merged(states, targets, group)
    assert int(weights.sum()) + keep - contextual == (count if contextual else keep)
    for target, state, weight in zip(targets.tolist(), new, weights):
        torch.testing.assert_close(state, wanted[target][0].float())
        assert weight == wanted[target][1]


def test_sums_are_float32_and_states_keep_their_dtype():
    states = torch.full((300, 2), 0.1, dtype=torch.bfloat16)
    group = torch.zeros(300, dtype=torch.long)
    new, weights = merged(states, torch.tensor([0]), group)
    assert new.dtype == torch.bfloat16 and weights.tolist() == [300]
    torch.testing.assert_close(new.float(), torch.full((1, 2), 0.2), atol=2e-3, rtol=0)
