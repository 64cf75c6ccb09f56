"""Choosing tokens one after the other, each in view of those chosen before; all rows of a batch at once.

What is chosen for n tokens begins what is chosen for more, so rows that keep different numbers share one loop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastv.pruning.scorers.similarity import most_similar, similarity_rows

#: Below this part of the largest diagonal entry, what is left of a token is rounding error.
_EXHAUSTED = 1e-6


def farthest_first(units: Tensor, absent: Tensor, keep: Tensor) -> Tensor:
    """Choose tokens that are far apart: max-min diversity, greedily.

    The first is the one whose nearest neighbour is farthest away, each further one the farthest from its nearest among
    those chosen. Of equal ones the earlier is chosen.

    Parameters
    ----------
    units : Tensor
        float32 (batch, n, width), of length 1; the distance is 1 - cosine.
    absent : Tensor
        boolean (batch, n): columns that hold no token.
    keep : Tensor
        long (batch,): how many to choose. Its values are read: this waits for the device.

    Returns
    -------
    Tensor
        boolean (batch, n).
    """
    closest = most_similar(units, absent).masked_fill_(absent, float("inf"))
    similar = similarity_rows(units)
    taken = absent
    picks: list[Tensor] = []
    for step in range(int(keep.max())):
        pick = closest.argmin(dim=1)
        picks.append(pick)
        taken = taken.scatter(1, pick[:, None], True)
        rows = similar(pick)
        closest = (rows if step == 0 else torch.maximum(closest, rows)).masked_fill(taken, float("inf"))
    return _marked(picks, keep, absent)


def determinant_first(features: Tensor, quality: Tensor, absent: Tensor, keep: Tensor) -> Tensor:
    """Choose tokens whose kernel has a large determinant: the MAP of a determinantal point process, greedily.

    The kernel is ``features @ features.T``. Each step takes the token with the largest diagonal entry given those
    chosen, and updates them by one row of the kernel's Cholesky factor (Chen et al., NeurIPS 2018, arXiv 1709.05135).
    Where the kernel's rank is exhausted, every further choice has determinant 0: they go by ``quality``. Of equal ones
    the earlier is chosen.

    Parameters
    ----------
    features : Tensor
        float32 (batch, n, width).
    quality : Tensor
        float32 (batch, n), not negative.
    absent, keep
        See ``farthest_first``.

    Returns
    -------
    Tensor
        boolean (batch, n).
    """
    batch, count, _ = features.shape
    kernel_rows = similarity_rows(features)
    left = features.square().sum(dim=2)
    enough = left.amax(dim=1, keepdim=True) * _EXHAUSTED
    after = -1 / (1 + quality)  # in the order of quality, and below everything that is left
    taken = absent
    most = int(keep.max())
    factor = torch.zeros(batch, most, count, device=features.device)
    picks: list[Tensor] = []
    for step in range(most):
        order = torch.where(left > enough, left, after).masked_fill(taken, float("-inf"))
        pick = order.argmax(dim=1)
        picks.append(pick)
        taken = taken.scatter(1, pick[:, None], True)
        at = pick[:, None]
        row = kernel_rows(pick)
        if step:
            before = factor[:, :step]
            own = before.gather(2, at[:, None].expand(-1, step, 1))
            row = row - (own.transpose(1, 2) @ before)[:, 0]
        pivot = left.gather(1, at)
        row = torch.where(pivot > enough, row * pivot.clamp(min=1e-30).rsqrt(), 0)
        factor[:, step] = row
        left = left - row.square()
    return _marked(picks, keep, absent)


def _marked(picks: list[Tensor], keep: Tensor, absent: Tensor) -> Tensor:
    """The first ``keep`` picks of each row: boolean, shaped like ``absent``."""
    chosen = torch.zeros_like(absent)
    if not picks:
        return chosen
    order = torch.stack(picks, dim=1)
    counted = torch.arange(len(picks), device=order.device) < keep[:, None]
    # A row that is through marks its first pick again.
    order = torch.where(counted, order, order[:, :1])
    return chosen.scatter(1, order, (keep > 0)[:, None].expand_as(order))
