"""Attention among a picture's tokens alone: the softmax leaves out what the text gets."""

from __future__ import annotations

import torch
from torch import Tensor


def picture_attention(query: Tensor, key: Tensor, scaling: float, positions: Tensor) -> Tensor:
    """How the last query's attention divides among some positions, averaged over heads.

    Parameters
    ----------
    query : Tensor
        (batch, heads, rows, width); the last one stands after all of ``positions`` and sees them.
    key : Tensor
        (batch, kv_heads, n, width); heads is a multiple of kv_heads.
    scaling : float
        What the products are multiplied by.
    positions : Tensor
        long (batch, m), -1 for none.

    Returns
    -------
    Tensor
        float32 (batch, m), summing to 1 over a row; 0 where there is no position.
    """
    batch, heads, _, width = query.shape
    kv_heads = key.shape[1]
    index = positions.clamp(min=0)[:, None, :, None].expand(-1, kv_heads, -1, width)
    keys = key.gather(2, index).float()
    last = query[:, :, -1:].float().reshape(batch, kv_heads, heads // kv_heads, width)
    with torch.autocast(query.device.type, enabled=False):
        logits = (last @ keys.transpose(2, 3)).mul_(scaling).flatten(1, 2)
    logits = logits.masked_fill(positions[:, None] < 0, torch.finfo(torch.float32).min)
    return logits.softmax(dim=-1).mean(dim=1).masked_fill(positions < 0, 0.0)
