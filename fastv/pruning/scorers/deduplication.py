"""Choosing salient tokens, and beside them those that are least like each other, as VisPruner does."""

from __future__ import annotations

import torch
from torch import Tensor

_DROPPED_AT_ONCE = 8  # as in the authors' code


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
    unit = torch.nn.functional.normalize(features.float(), dim=-1)
    with torch.autocast(unit.device.type, enabled=False):
        similarity = unit @ unit.T
    while (surplus := len(rest) - distinct) > 0:
        even, odd = rest[::2], rest[1::2]
        even = even.sort(descending=True).values  # of equally similar tokens the later ones are dropped first
        duplicates = similarity[even][:, odd].amax(dim=1).argsort(descending=True, stable=True)
        rest = torch.cat([even[duplicates[min(_DROPPED_AT_ONCE, surplus) :]], odd])
    return torch.cat([order[:important], rest])
