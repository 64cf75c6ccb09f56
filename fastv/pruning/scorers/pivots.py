"""Choosing the tokens that are least like a few pivots."""

from __future__ import annotations

import torch
from torch import Tensor

from fastv.pruning.scorers.ranking import highest


def least_like_pivots(
    units: Tensor, strength: Tensor, absent: Tensor, text: Tensor, text_strength: Tensor, keep: Tensor, pivots: int
) -> Tensor:
    """Choose the strongest tokens, and then in turn for each pivot the tokens least like it.

    The pivots are the strongest ``pivots`` tokens, which stay, and the strongest ``pivots`` of the text. Each pivot
    takes as many tokens from what is left as the others, the first ones one more where that does not divide evenly.

    Parameters
    ----------
    units : Tensor
        float32 (batch, n, width), of length 1: the tokens to choose from.
    strength : Tensor
        float32 (batch, n): by which pivots are chosen.
    absent : Tensor
        boolean (batch, n): columns that hold no token.
    text : Tensor
        float32 (batch, m, width), of length 1.
    text_strength : Tensor
        float32 (batch, m), -inf where a column is none of the text that counts.
    keep : Tensor
        long (batch,): how many to choose.
    pivots : int
        Of either kind, at least 1.

    Returns
    -------
    Tensor
        boolean (batch, n).
    """
    strength = strength.masked_fill(absent, float("-inf"))
    own = keep.clamp(max=pivots)
    chosen = highest(strength, own)
    own_order = strength.argsort(dim=1, descending=True, stable=True)[:, :pivots]
    text_order = text_strength.argsort(dim=1, descending=True, stable=True)[:, :pivots]
    columns = torch.arange(own_order.shape[1], device=units.device)
    valid = torch.cat([columns < own[:, None], text_strength.gather(1, text_order) > float("-inf")], dim=1)
    looked_at = torch.cat([_rows(units, own_order), _rows(text, text_order)], dim=1)
    alike = units @ looked_at.transpose(1, 2)
    each = keep - own
    count = valid.sum(dim=1).clamp(min=1)
    number = valid.cumsum(dim=1) - 1
    quotas = ((each // count)[:, None] + (number < (each % count)[:, None])) * valid
    gone = absent | chosen
    for pivot in range(looked_at.shape[1]):
        taken = highest(-alike[:, :, pivot].masked_fill(gone, float("inf")), quotas[:, pivot])
        chosen, gone = chosen | taken, gone | taken
    return chosen


def _rows(vectors: Tensor, order: Tensor) -> Tensor:
    return vectors.gather(1, order[..., None].expand(-1, -1, vectors.shape[2]))
