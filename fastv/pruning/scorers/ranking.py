"""Choosing by scores, and scores that are drawn."""

from __future__ import annotations

import torch
from torch import Tensor


def random_scores(counts: list[int], seed: int) -> Tensor:
    """Scores for dropping at random.

    Each row draws from a generator of its own, so that a batch drops what its rows drop one by one.

    Returns
    -------
    Tensor
        float32 (rows, max(counts)) on the CPU, -inf beyond a row's count.
    """
    scores = torch.full((len(counts), max(counts)), float("-inf"))
    for row, count in zip(scores, counts):
        row[:count] = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    return scores


def highest(scores: Tensor, counts: Tensor) -> Tensor:
    """Mark the ``counts[row]`` highest scores of each row: boolean, shaped like scores (rows, n).

    Of equal scores the earlier position is kept, so the choice never depends on the device's sorting.
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    chosen = torch.arange(scores.shape[1], device=scores.device) < counts[:, None]
    return torch.zeros_like(chosen).scatter(1, order, chosen)


def highest_per_image(scores: Tensor, images: Tensor, counts: Tensor) -> Tensor:
    """Mark the ``counts[row, i]`` highest scores among those of each row's image ``i``: boolean, shaped like scores.

    Parameters
    ----------
    scores : Tensor
        float32 (rows, n).
    images : Tensor
        long (rows, n): the number of each one's image, -1 for none.
    counts : Tensor
        long (rows, images).
    """
    chosen = torch.zeros_like(images, dtype=torch.bool)
    for number in range(counts.shape[1]):
        own = images == number
        chosen |= highest(scores.masked_fill(~own, float("-inf")), counts[:, number]) & own
    return chosen
