"""Choosing tokens one after the other, each in view of those chosen before; all rows of a batch at once.

What is chosen for n tokens begins what is chosen for more, so rows that keep different numbers share one loop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastv.pruning.scorers.ranking import highest
from fastv.pruning.scorers.similarity import Similarities

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
    similarities = Similarities(units)
    # Of each token the largest similarity to those chosen; +inf once it is chosen itself.
    closest = similarities.largest(absent).masked_fill_(absent, float("inf"))
    similarities.hide_own()
    picks: list[Tensor] = []
    for step in range(int(keep.max())):
        pick = closest.argmin(dim=1)
        picks.append(pick)
        rows = similarities.rows(pick)
        closest = torch.maximum(closest, rows, out=closest) if step else rows.masked_fill_(absent, float("inf"))
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
    most = int(keep.max())
    kernel = Similarities(features)
    left = kernel.squares()  # the diagonal, given those chosen; -inf once a token is chosen itself
    enough = left.amax(dim=1, keepdim=True) * _EXHAUSTED
    left = left.masked_fill(absent, float("-inf"))
    # Everything keeps its dimensions, and views are made by methods: indexing would take longer than the arithmetic.
    left = left.view(batch, 1, count)
    factor = features.new_empty(batch, most, count)
    picks: list[Tensor] = []
    pivots: list[Tensor] = []
    for step in range(most):
        pivot, pick = left.max(dim=2, keepdim=True)
        picks.append(pick)
        pivots.append(pivot)
        row = kernel.rows(pick.view(batch)).view(batch, 1, count)
        if step:
            before = factor.narrow(1, 0, step)
            own = before.gather(2, pick.expand(batch, step, 1))
            row = row.baddbmm_(own.transpose(1, 2), before, alpha=-1)
        row = torch.mul(row, pivot.rsqrt(), out=factor.narrow(1, step, 1))
        left.addcmul_(row, row, value=-1).scatter_(2, pick, float("-inf"))
    if not picks:
        return torch.zeros_like(absent)
    # What comes after the kernel's rank is exhausted follows from rounding errors.
    sound = (torch.cat(pivots, dim=1).view(batch, most) > enough).cumprod(dim=1).sum(dim=1)
    chosen = _marked([pick.view(batch) for pick in picks], torch.minimum(keep, sound), absent)
    rest = quality.masked_fill(absent | chosen, float("-inf"))
    return chosen | highest(rest, (keep - sound).clamp(min=0))


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
