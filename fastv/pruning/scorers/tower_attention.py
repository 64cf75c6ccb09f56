"""Attention inside a vision tower: what [CLS], or all patches together, look at."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK_FLOATS = 4_000_000  # the most attention weights held at a time


def received_attention(query: Tensor, key: Tensor, scaling: float) -> Tensor:
    """The attention that each key gets on average from all queries and heads; every query may look at every key.

    Parameters
    ----------
    query : Tensor
        (sequences, heads, rows, width); one row to see what that one looks at.
    key : Tensor
        (sequences, heads, n, width).
    scaling : float
        What the products are multiplied by.

    Returns
    -------
    Tensor
        float32 (sequences, n).
    """
    sequences, heads, rows, _ = query.shape
    length = key.shape[2]
    transposed = key.float().transpose(2, 3)
    total = torch.zeros(sequences, length, device=query.device)
    step = max(1, _BLOCK_FLOATS // (sequences * heads * length))
    with torch.autocast(query.device.type, enabled=False):
        for start in range(0, rows, step):
            logits = (query[:, :, start : start + step].float() @ transposed).mul_(scaling)
            total += logits.softmax(dim=-1).sum(dim=(1, 2))
    return total / (heads * rows)
