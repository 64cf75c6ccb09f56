"""Choosing salient tokens, and beside them those that are least like each other, as VisPruner does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fastv.pruning.scorers.similarity import products

_DROPPED_AT_ONCE = 8  # as in the authors' code
_NEAREST = 16  # neighbours that are looked at first


def salient_and_distinct(attention: Tensor, features: Tensor, keep: int, salient: float) -> Tensor:
    """Which of n tokens VisPruner keeps.

    Parameters
    ----------
    attention : Tensor
        floating (n,).
    features : Tensor
        floating (n, width).
    keep : int
        How many stay, at most n.
    salient : float
        The share of them that attention chooses.

    Returns
    -------
    Tensor
        long (keep,), in no order.
    """
    important = int(keep * salient)
    order = attention.argsort(descending=True, stable=True)
    rest, distinct = order[important:], keep - important
    if distinct == 0:
        return order[:important]
    rest, place = rest.sort()
    unit = torch.nn.functional.normalize(features[rest].float(), dim=-1)
    with torch.autocast(unit.device.type, enabled=False):
        similarity = products(unit[None])[0]
    nearest = similarity.topk(min(_NEAREST, len(rest)), dim=1)
    left = place.argsort()  # numbers in ``rest``, in the order of attention
    while (surplus := len(left) - distinct) > 0:
        even, odd = left[::2], left[1::2]
        even = even.sort(descending=True).values  # of equally similar tokens the later ones are dropped first
        duplicates = _closest(similarity, nearest, even, odd).argsort(descending=True, stable=True)
        left = torch.cat([even[duplicates[min(_DROPPED_AT_ONCE, surplus) :]], odd])
    return torch.cat([order[:important], rest[left]])


def _closest(similarity: Tensor, nearest: Sequence[Tensor], tokens: Tensor, others: Tensor) -> Tensor:
    """The largest similarity of each of some tokens to any of some others.

    Parameters
    ----------
    similarity : Tensor
        float32 (n, n).
    nearest : sequence of Tensor
        (n, few): of each token the largest similarities, descending, and whose they are.
    tokens, others : Tensor
        long, their numbers.
    """
    counted = torch.zeros(len(similarity), dtype=torch.bool, device=tokens.device).scatter_(0, others, True)
    values, whose = (part[tokens] for part in nearest)
    hits = counted[whose]
    closest = values.gather(1, hits.byte().argmax(dim=1, keepdim=True))[:, 0]
    missed = ~hits.any(dim=1)
    if missed.any():
        closest[missed] = similarity[tokens[missed]][:, others].amax(dim=1)
    return closest
