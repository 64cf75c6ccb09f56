"""Scores: small pure functions from queries and keys, or from a seed, to one number per position.

Attention is computed here in float32 whatever the model's dtype, and only for the queries that are needed: the whole
n x n map never exists.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK_FLOATS = 4_000_000  # the most attention weights ``mean_attention`` holds at a time


def attention_rows(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, start: int) -> Tensor:
    """Attention weights of consecutive queries, averaged over heads.

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
        float32 (batch, rows, n).
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
    return logits.softmax(dim=-1).mean(dim=1)


def last_token_attention(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """The attention that the last prompt token pays to each position: float32 (batch, n).

    Parameters: see ``attention_rows``.
    """
    last = query.shape[2] - 1
    return attention_rows(query[:, :, last:], key, mask, scaling, start=last)[:, 0]


def mean_attention(
    query: Tensor, key: Tensor, mask: Tensor | None, scaling: float, real: Tensor | None = None
) -> Tensor:
    """The attention that each position gets on average from the prompt's tokens: float32 (batch, n).

    A token that stands before a position gives it 0.

    Parameters
    ----------
    query, key, mask, scaling
        See ``attention_rows``.
    real : Tensor or None
        boolean (batch, n): False = padding, which is left out as a query; None when there is none.
    """
    batch, heads, length, _ = query.shape
    step = max(1, _BLOCK_FLOATS // (batch * heads * length))
    total = torch.zeros(batch, length, device=query.device)
    for start in range(0, length, step):
        rows = attention_rows(query[:, :, start : start + step], key, mask, scaling, start)
        if real is not None:
            rows = rows * real[:, start : start + step, None].to(rows.device)
        total += rows.sum(dim=1)
    looking = length if real is None else real.sum(dim=1, keepdim=True).to(total.device)
    return total / looking


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
