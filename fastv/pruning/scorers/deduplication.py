"""Choosing salient tokens, and beside them those that are least like each other, as VisPruner does.

Step after step, so on the host, as in ``greedy``. Values are read: this waits for the device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fastv.pruning.scorers.similarity import PairProducts, unit_vectors

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
        long (keep,), in no order, on the attention's device.
    """
    important = int(keep * salient)
    order = np.argsort(-attention.float().numpy(force=True), kind="stable")
    chosen, distinct = order[:important], keep - important
    if distinct:
        rest = np.sort(order[important:])
        similarity = PairProducts(unit_vectors(features[torch.from_numpy(rest).to(features.device)]))
        nearest = similarity.nearest(_NEAREST)
        left = np.searchsorted(rest, order[important:])  # numbers in ``rest``, in the order of attention
        while (surplus := len(left) - distinct) > 0:
            even, odd = left[::2], left[1::2]
            even = np.sort(even)[::-1]  # of equally similar tokens the later ones are dropped first
            duplicates = np.argsort(-_closest(similarity, *nearest, even, odd), kind="stable")
            left = np.concatenate([even[duplicates[min(_DROPPED_AT_ONCE, surplus) :]], odd])
        chosen = np.concatenate([chosen, rest[left]])
    return torch.from_numpy(chosen).to(attention.device)


def _closest(
    similarity: PairProducts, values: np.ndarray, whose: np.ndarray, tokens: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """The largest similarity of each of some tokens to any of some others: float32, one for each.

    Parameters
    ----------
    values, whose
        (n, few): of each token the largest similarities, descending, and whose they are.
    tokens, others
        Their numbers.
    """
    counted = np.zeros(len(values), dtype=bool)
    counted[others] = True
    hits = counted[whose[tokens]]
    first = hits.argmax(axis=1)
    closest = values[tokens, first]
    missed = np.flatnonzero(~hits[np.arange(len(tokens)), first])
    if missed.size:
        closest[missed] = similarity.rows(tokens[missed])[:, others].max(axis=1)
    return closest
