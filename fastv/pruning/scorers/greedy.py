"""Choosing tokens one after the other, each in view of those chosen before.

The products of all pairs are made where the tokens are. The choices are made on the host, whatever the device: each is
a handful of operations on a few hundred numbers, and of torch's every one would take longer to begin than to do. Values
are read, so this waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fastv.pruning.scorers.similarity import PairProducts

#: Below this part of the largest diagonal entry, what is left of a token is rounding error.
_EXHAUSTED = 1e-6

Picks = list[int]


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
        long (batch,): how many to choose, at most as many as there are.

    Returns
    -------
    Tensor
        boolean (batch, n).
    """
    return _in_each_row(_far_apart, absent, keep, units)


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
    return _in_each_row(_independent_first, absent, keep, features, quality)


def coverage_first(units: Tensor, saliency: Tensor, absent: Tensor, keep: Tensor) -> Tensor:
    """Choose tokens that cover all others: the sum of the largest cosine of each token to those chosen, greedily.

    Parameters
    ----------
    units
        See ``farthest_first``.
    saliency : Tensor
        float32 (batch, n), not negative: what a token adds to the sum counts times this.
    absent, keep
        See ``farthest_first``.

    Returns
    -------
    Tensor
        boolean (batch, n).
    """
    return _in_each_row(covering, absent, keep, units, saliency)


def covering(units: Tensor, saliency: Tensor, keep: int) -> Picks:
    """Which of n tokens ``coverage_first`` chooses, in the order of choice. Of equal gains the earlier token's counts.

    A token that stays changes the gains of others only by those tokens that it covers better than they were, which soon
    are few.

    Parameters
    ----------
    units, saliency
        float32 (n, width) and (n,).
    keep : int
        At most n.
    """
    similarity = PairProducts(units)
    weights = saliency.numpy(force=True).astype(np.float64)
    covered = np.zeros(len(units), dtype=np.float32)
    # What each token would add, not yet times its saliency. In float64: many small parts are taken off.
    added = similarity.positive_sums()
    chosen, gains = np.zeros_like(added), np.empty_like(added)
    picks: Picks = []
    for _ in range(keep):
        np.multiply(added, weights, out=gains)
        gains += chosen
        picks.append(int(gains.argmax()))
        chosen[picks[-1]] = float("-inf")
        row = similarity.row(picks[-1])
        better = np.flatnonzero(row > covered)
        before, after, parts = covered[better, None], row[better, None], similarity.rows(better)
        np.minimum(parts, after, out=parts)
        np.maximum(parts, before, out=parts)
        added -= parts.sum(axis=0, dtype=np.float64) - before.sum(dtype=np.float64)
        np.maximum(covered, row, out=covered)
    return picks


def _far_apart(units: Tensor, keep: int) -> Picks:
    similarity = PairProducts(units)
    closest = similarity.largest()  # of each token to those chosen; +inf once it is chosen itself
    picks: Picks = []
    for _ in range(keep):
        pick = int(closest.argmin())
        row = similarity.row(pick)
        closest = np.maximum(closest, row) if picks else row.copy()
        closest[pick] = float("inf")
        picks.append(pick)
    return picks


def _independent_first(features: Tensor, quality: Tensor, keep: int) -> Picks:
    """Those whose determinant is above 0, and then the highest in quality."""
    picks = _independent(features, keep)
    left = -quality.numpy(force=True)
    left[picks] = float("inf")
    return picks + np.argsort(left, kind="stable")[: keep - len(picks)].tolist()


def _independent(features: Tensor, keep: int) -> Picks:
    """As many as have a determinant above 0, at most ``keep``."""
    kernel = PairProducts(features)
    left = kernel.squares()  # the diagonal, given those chosen; -inf once a token is chosen itself
    enough = left.max(initial=0.0) * _EXHAUSTED
    most = min(keep, features.shape[1])  # no more than the kernel's rank
    factor = np.empty((most, len(features)), dtype=np.float32)
    picks: Picks = []
    for step in range(most):
        pick = int(left.argmax())
        pivot = left[pick]
        if pivot <= enough:
            break
        picks.append(pick)
        before, row = factor[:step], factor[step]
        np.subtract(kernel.row(pick), before[:, pick] @ before, out=row)
        row *= pivot**-0.5
        left -= row * row
        left[pick] = float("-inf")
    return picks


def _in_each_row(choose: Callable[..., Picks], absent: Tensor, keep: Tensor, *known: Tensor) -> Tensor:
    """Choose in each row among the tokens that are there: boolean, shaped like ``absent``.

    choose: from what is known of a row's tokens, a row of each of ``known``, and how many to choose, to their numbers.
    """
    chosen = torch.zeros_like(absent)
    for row, count in enumerate(keep.tolist()):
        if count:
            there = (~absent[row]).nonzero()[:, 0]
            picks = choose(*(each[row, there.to(each.device)] for each in known), count)
            chosen[row, there[torch.tensor(picks, device=there.device)]] = True
    return chosen
