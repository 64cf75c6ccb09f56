"""VisPruner's choice, against its algorithm written out token by token."""

from __future__ import annotations

import pytest
import torch

from fastv.pruning.scorers import similarity
from fastv.pruning.scorers.deduplication import salient_and_distinct


def one_by_one(attention: list[float], features: torch.Tensor, keep: int, salient: float) -> set[int]:
    """Sorts lists of numbers, and knows nothing of tensors but the cosine of two of them."""

    def cosine(i: int, j: int) -> float:
        one, other = features[i].double(), features[j].double()
        return float(one @ other / (one.norm() * other.norm()))

    order = sorted(range(len(attention)), key=lambda i: (-attention[i], i))
    important = int(keep * salient)
    kept, rest = order[:important], order[important:]
    if important == keep:
        return set(kept)
    while len(rest) > keep - important:
        first, second = rest[0::2], rest[1::2]
        closest = {i: max(cosine(i, j) for j in second) for i in first}
        ranked = sorted(first, key=lambda i: (-closest[i], -i))
        rest = ranked[min(8, len(rest) - (keep - important)) :] + second
    return set(kept) | set(rest)


@pytest.mark.parametrize("count, keep", [(40, 10), (40, 0), (40, 1), (40, 40), (33, 32), (9, 2), (2, 1)])
@pytest.mark.parametrize("salient", [0.5, 0.0, 1.0])
@pytest.mark.parametrize("held", [True, False])
def test_keeps_what_the_algorithm_keeps(count, keep, salient, held, monkeypatch):
    if not held:
        monkeypatch.setattr(similarity, "_MOST_HELD", 1)
    generator = torch.Generator().manual_seed(count + keep)
    attention = torch.rand(count, generator=generator)
    features = torch.randn(count, 6, generator=generator)
    chosen = salient_and_distinct(attention, features, keep, salient).tolist()
    assert len(chosen) == len(set(chosen)) == keep
    assert set(chosen) == one_by_one(attention.tolist(), features, keep, salient)


def test_of_tokens_that_are_alike_the_later_ones_go_first():
    chosen = salient_and_distinct(torch.zeros(20), torch.ones(20, 2), 12, salient=0.0).tolist()
    assert set(chosen) == {0, 2, *range(1, 20, 2)}


def test_half_precision_is_compared_in_float32():
    generator = torch.Generator().manual_seed(0)
    attention, features = torch.rand(30, generator=generator), torch.randn(30, 8, generator=generator).bfloat16()
    wanted = salient_and_distinct(attention, features.float(), 9, 0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(salient_and_distinct(attention, features, 9, 0.5), wanted)
