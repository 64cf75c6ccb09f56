"""Attention for training on a CPU: some rows at a time, under a mask each lot with the keys up to it only.

torch's fused kernel computes every score, also those a mask hides, and computes them again in the backward pass. Here what
lies after a lot of rows is not computed, and the scores are kept: half the time in bfloat16 (``benchmarks/training.py``), for
the memory of each layer's scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

ROWS = 256
_NAME = "fastv_by_rows"


def attend_by_rows(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, *, scaling: float,
                   **_: Any) -> tuple[Tensor, None]:
    """Attention as transformers' kernels return it: (batch, n, heads, d).

    query, key, value: (batch, heads, n, d), as many heads of each. attention_mask: (batch, 1, n, n) of the same dtype, added to
    the scores; under it nobody may look at what comes later. Without one everybody sees everything.
    """
    lots = []
    for start in range(0, query.shape[2], ROWS):
        end = min(start + ROWS, query.shape[2])
        seen = slice(None if attention_mask is None else end)
        scores = (query[:, :, start:end] * scaling) @ key[:, :, seen].transpose(2, 3)
        if attention_mask is not None:
            scores = scores + attention_mask[:, :, start:end, seen]
        lots.append(scores.softmax(-1) @ value[:, :, seen])
    return torch.cat(lots, 2).transpose(1, 2), None


AttentionInterface.register(_NAME, attend_by_rows)


@contextmanager
def attending_by_rows(model: nn.Module) -> Iterator[None]:
    """While open, the layers of a transformers model attend in this way; a decoder then needs its mask with each call."""
    kernel = model.config._attn_implementation
    model.config._attn_implementation = _NAME
    try:
        yield
    finally:
        model.config._attn_implementation = kernel
