"""Dropping visual tokens by masking: what pruning a model must be equal to, computed without the pruning hooks.

From layer k on every token of the prompt is still there, at its own place, but no query may look at a dropped one.
Slow, and simple: nothing is cut, no cache is shortened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import UnsupportedModelError
from fastv.pruning.transformers_compat import cache_in


@contextmanager
def dropped_by_masking(decoder: Any, k: int, dropped: Tensor) -> Iterator[None]:
    """While open, layers k and later of a decoder do not see the dropped tokens.

    Parameters
    ----------
    decoder
        The module that owns ``layers``; attention must be computed by SDPA or eagerly.
    k
        The first layer that does not see them.
    dropped
        Boolean (batch, n), for the prompt's columns. Later columns are seen.

    Raises
    ------
    UnsupportedModelError
        When a layer runs with a mask of another kind.
    """

    def mask_layer(number: int) -> Any:
        def hook(_layer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
            hidden = args[0] if args else kwargs["hidden_states"]
            cache = cache_in(kwargs)
            past = cache.get_seq_length(number) if cache is not None else 0
            return args, kwargs | {"attention_mask": _masked(kwargs.get("attention_mask"), hidden, past, dropped)}

        return hook

    handles = [
        layer.register_forward_pre_hook(mask_layer(number), with_kwargs=True)
        for number, layer in enumerate(decoder.layers)
        if number >= k
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _masked(mask: Tensor | None, hidden: Tensor, past: int, dropped: Tensor) -> Tensor:
    """A layer's mask with the dropped columns closed.

    mask: boolean or added (batch | 1, 1, queries, keys), where a sliding layer has the last keys alone; None = causal.
    """
    queries = hidden.shape[1]
    keys = past + queries
    lowest = torch.finfo(hidden.dtype).min
    if mask is None:
        seen = torch.arange(keys)[None] <= torch.arange(past, keys)[:, None]
        mask = seen.to(hidden.device)[None, None]
    if mask.dim() != 4 or mask.shape[-1] > keys:
        raise UnsupportedModelError("Masking needs a model whose layers all get masks of the whole sequence.")
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=hidden.dtype, device=mask.device).masked_fill(~mask, lowest)
    columns = torch.zeros(len(dropped), keys, dtype=torch.bool, device=mask.device)
    columns[:, : dropped.shape[1]] = dropped.to(mask.device)
    return mask.masked_fill(columns[:, None, None, keys - mask.shape[-1] :], lowest)
