"""Scores from one layer's queries and keys: one number per position.

Attention is computed in float32 whatever the model's dtype, and only for the queries that are needed: the whole n x n
map never exists.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK_FLOATS = 4_000_000  # the most attention weights ``mean_attention`` holds at a time


def head_attention_rows(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, start: int) -> Tensor:
    """Attention weights of consecutive queries, each head's.

    Parameters
    ----------
    query : Tensor
        (batch, heads, rows, width): the prompt's positions start ... start + rows - 1.
    key : Tensor
        (batch, kv_heads, n, width); heads is a multiple of kv_heads.
    mask : Tensor or None
        What the attention kernel got: None (causal, no padding), (batch, n) with non-zero = visible, or
        (batch | 1, heads | 1, n, n), boolean with True = visible, or floating and added.
    scaling : float
        What the products are multiplied by.
    start : int
        The position of the first query.

    Returns
    -------
    Tensor
        float32 (batch, heads, rows, n).
    """
    batch, heads, rows, width = query.shape
    kv_heads, length = key.shape[1:3]
    grouped = query.float().reshape(batch, kv_heads, -1, width)
    with torch.autocast(query.device.type, enabled=False):
        logits = (grouped @ key.float().transpose(2, 3)).mul_(scaling).view(batch, heads, rows, length)
    if mask is None or mask.dim() == 2:
        columns = torch.arange(length, device=key.device)
        visible = columns <= columns[start : start + rows, None]
        if mask is not None:
            visible = visible & (mask[:, None, None, :length] != 0)
    else:
        visible = mask[:, :, start : start + rows, :length]
    if visible.dtype == torch.bool:
        logits.masked_fill_(~visible, torch.finfo(torch.float32).min)
    else:
        logits += visible
    return logits.softmax(dim=-1)


def attention_rows(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, start: int) -> Tensor:
    """The same, averaged over heads: float32 (batch, rows, n).

    Parameters: see ``head_attention_rows``.
    """
    return head_attention_rows(query, key, mask, scaling, start).mean(dim=1)


def last_token_attention(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """The attention that the last prompt token pays to each position: float32 (batch, n).

    Parameters: see ``head_attention_rows``; ``query`` may be of that token alone.
    """
    last = key.shape[2] - 1
    return attention_rows(query[:, :, -1:], key, mask, scaling, start=last)[:, 0]


def last_token_peak_attention(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """The most attention that any head of the last prompt token pays to each position: float32 (batch, n).

    Parameters: see ``head_attention_rows``.
    """
    last = query.shape[2] - 1
    return head_attention_rows(query[:, :, last:], key, mask, scaling, start=last)[:, :, 0].amax(dim=1)


def mean_attention(
    query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, looking: Tensor | None = None, first: int = 0
) -> Tensor:
    """The attention that each position gets on average from some of the prompt's tokens: float32 (batch, n).

    A token that stands before a position gives it 0.

    Parameters
    ----------
    query, key, mask, scaling
        See ``head_attention_rows``.
    looking : Tensor or None
        boolean (batch, n): the tokens whose attention counts; None when all do.
    first : int
        None before this column looks, in any row; their attention is not computed.
    """
    batch, heads, length, _ = query.shape
    step = max(1, _BLOCK_FLOATS // (batch * heads * length))
    total = torch.zeros(batch, length, device=query.device)
    for start in range(first, length, step):
        rows = attention_rows(query[:, :, start : start + step], key, mask, scaling, start)
        if looking is not None:
            rows = rows * looking[:, start : start + step, None].to(rows.device)
        total += rows.sum(dim=1)
    if looking is None:
        return total / (length - first)
    return total / looking.sum(dim=1, keepdim=True).clamp(min=1).to(total.device)
