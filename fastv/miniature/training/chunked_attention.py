"""Blockwise causal attention for training on a CPU: each block of rows attends only to keys up to its end.

torch's fused kernel computes every score, also those that a mask hides, and computes them again in the backward pass.
Here scores after a block are not computed, the others are kept, and the gradients of keys and values are summed in
place: in bfloat16 a training step is 1.5 to 1.7 times as fast (``benchmarks/training.py --half``), for the memory of
each layer's scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

ROWS = 256
_NAME = "fastv_chunked"


class _ChunkedAttention(torch.autograd.Function):
    """query (already scaled), key, value: (batch, heads, n, d), contiguous; mask: (batch, 1, n, n) or None, without a
    gradient.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        out, kept = torch.empty_like(query), []
        for rows, seen in _row_blocks(query.shape[2], mask is not None):
            scores = query[:, :, rows] @ key[:, :, seen].transpose(2, 3)
            if mask is not None:
                scores += mask[:, :, rows, seen]
            kept.append(scores.softmax(-1))
            out[:, :, rows] = kept[-1] @ value[:, :, seen]
        ctx.save_for_backward(query, key, value, *kept)
        ctx.masked = mask is not None
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, *kept = ctx.saved_tensors
        for_query, for_key, for_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        gradient = gradient.contiguous()
        for (rows, seen), weights in zip(_row_blocks(query.shape[2], ctx.masked), kept):
            for_value[:, :, seen] += weights.transpose(2, 3) @ gradient[:, :, rows]
            for_weights = gradient[:, :, rows] @ value[:, :, seen].transpose(2, 3)
            for_scores = torch._softmax_backward_data(for_weights, weights, -1, weights.dtype)
            for_query[:, :, rows] = for_scores @ key[:, :, seen]
            for_key[:, :, seen] += for_scores.transpose(2, 3) @ query[:, :, rows]
        return for_query, for_key, for_value, None


def _row_blocks(length: int, causal: bool) -> Iterator[tuple[slice, slice]]:
    """Rows of each lot, and the keys it sees."""
    for start in range(0, length, ROWS):
        end = min(start + ROWS, length)
        yield slice(start, end), slice(end if causal else length)


def chunked_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers' kernels return it: (batch, n, heads, d).

    query, key, value: (batch, heads, n, d), as many heads of each. attention_mask: (batch, 1, n, n) of the same dtype,
    added to the scores; it must be causal. Without one, attention is bidirectional.
    """
    attended = _ChunkedAttention.apply(
        (query * scaling).contiguous(), key.contiguous(), value.contiguous(), attention_mask
    )
    return attended.transpose(1, 2), None


AttentionInterface.register(_NAME, chunked_attention_forward)


@contextmanager
def chunked_attention(model: nn.Module) -> Iterator[None]:
    """While open, the layers of a transformers model attend in this way; a decoder then needs its mask with each
    call.
    """
    config: Any = model.config
    kernel = config._attn_implementation
    config._attn_implementation = _NAME
    try:
        yield
    finally:
        config._attn_implementation = kernel
