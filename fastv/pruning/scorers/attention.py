"""Scores from one layer's queries and keys: one number per position.

Attention is computed in float32 whatever the model's dtype, and only for the queries that are needed: the whole n x n
map never exists.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: The most queries whose attention ``mean_attention`` holds at a time, and the most weights.
_MOST_ROWS, _BLOCK_FLOATS = 96, 4_000_000


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
    with torch.autocast(query.device.type, enabled=False):
        return _logits(query.float(), key.float(), mask, scaling, start).softmax(dim=-1)


def _logits(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, start: int) -> Tensor:
    """The same before the softmax; query and key are float32."""
    batch, heads, rows, width = query.shape
    kv_heads, length = key.shape[1:3]
    queries = query.reshape(batch * kv_heads, heads // kv_heads * rows, width)
    keys = key.reshape(batch * kv_heads, length, width).transpose(1, 2)
    products = torch.baddbmm(queries.new_empty(1, 1, 1), queries, keys, beta=0, alpha=scaling)
    logits, hidden = products.view(batch, heads, rows, length), torch.finfo(torch.float32).min
    if mask is None or mask.dim() == 2:
        if rows > 1:
            later = torch.full((rows, length - start), hidden, device=key.device).triu_(1)
            logits[..., start:] += later  # sooner done than filling in what a mask names
        if mask is not None:
            logits.masked_fill_(mask[:, None, None, :length] == 0, hidden)
    elif mask.dtype == torch.bool:
        logits.masked_fill_(~mask[:, :, start : start + rows, :length], hidden)
    else:
        logits += mask[:, :, start : start + rows, :length]
    return logits


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
    weights = torch.ones(batch, length, device=query.device)
    if looking is not None:
        weights = looking.to(query.device, torch.float32)
    weights = weights / weights[:, first:].sum(dim=1, keepdim=True).clamp(min=1) / heads
    weights = weights[:, None].expand(-1, heads, -1).reshape(batch * heads, 1, length)
    causal = mask is None or mask.dim() == 2  # then none looks at what comes after it
    step = max(1, min(_MOST_ROWS, _BLOCK_FLOATS // (batch * heads * length)))
    total = torch.zeros_like(weights)
    key = key.float()
    with torch.autocast(query.device.type, enabled=False):
        for start in range(first, length, step):
            end = min(start + step, length)
            seen = end if causal else length
            logits = _logits(query[:, :, start:end].float(), key[:, :, :seen], mask, scaling, start)
            rows = logits.softmax(dim=-1).flatten(0, 1)
            total[..., :seen] += torch.bmm(weights[..., start:end], rows)
    return total.view(batch, heads, length).sum(dim=1)
