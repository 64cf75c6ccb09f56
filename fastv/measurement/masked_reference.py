"""Dropping visual tokens by masking: what pruning a model must be equal to, computed without the pruning hooks.

From layer k on every token of the prompt is still there, at its own place, but no query may look at a dropped one.
Layers that keep a state of what they read, in place of keys, have no mask for that: their recurrence runs over the
tokens that are left, and what it gives each goes back to its place.
Slow, and simple: nothing is cut, no cache of keys is shortened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
        def hook(layer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
            hidden = args[0] if args else kwargs["hidden_states"]
            keys = _keys(layer, number, hidden, kwargs)
            return args, kwargs | {"attention_mask": _masked(kwargs.get("attention_mask"), hidden, keys, dropped)}

        return hook

    with ExitStack() as stack:
        for number, layer in list(enumerate(decoder.layers))[k:]:
            if hasattr(layer, "self_attn"):
                stack.callback(layer.register_forward_pre_hook(mask_layer(number), with_kwargs=True).remove)
            else:
                stack.enter_context(_recurring_over_the_rest(layer, dropped))
        yield


@contextmanager
def _recurring_over_the_rest(layer: nn.Module, dropped: Tensor) -> Iterator[None]:
    """A layer without attention reads a prompt's remaining tokens alone, moved together to the end of each row."""
    given: list[tuple[Tensor, Tensor]] = []

    def before(_layer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        hidden, mask = args[0] if args else kwargs["hidden_states"], kwargs.get("attention_mask")
        if hidden.shape[1] < dropped.shape[1]:  # what was generated since, token by token
            return None
        stays = torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
        stays[:, : dropped.shape[1]] &= ~dropped.to(hidden.device)
        if mask is not None:
            stays &= mask.bool()
        columns = stays.int().argsort(dim=1, stable=True)[:, -int(stays.sum(dim=1).max()) :]
        given.append((hidden, columns))
        shorter = hidden.gather(1, columns[..., None].expand(-1, -1, hidden.shape[2]))
        kwargs = kwargs | {"attention_mask": stays.gather(1, columns)}
        return ((shorter, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": shorter})

    def after(_layer: nn.Module, _args: tuple, output: Tensor) -> Tensor:
        if not given:
            return output
        hidden, columns = given.pop()
        return hidden.scatter(1, columns[..., None].expand_as(output), output)

    handles = [layer.register_forward_pre_hook(before, with_kwargs=True), layer.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _keys(layer: nn.Module, number: int, hidden: Tensor, kwargs: dict[str, Any]) -> int:
    """How long the sequence is; a layer that reads the keys of an earlier one may be given its last tokens alone."""
    cache = cache_in(kwargs)
    if not getattr(getattr(layer, "self_attn", None), "is_kv_shared_layer", False):
        return hidden.shape[1] + (cache.get_seq_length(number) if cache is not None else 0)
    return kwargs["position_ids"].shape[-1] if cache is None else cache.get_seq_length()


def _masked(mask: Tensor | None, hidden: Tensor, keys: int, dropped: Tensor) -> Tensor:
    """A layer's mask with the dropped columns closed.

    mask: boolean or added (batch | 1, 1, queries, keys), where a sliding layer has the last keys alone; None = causal.
    """
    lowest = torch.finfo(hidden.dtype).min
    if mask is None:
        seen = torch.arange(keys)[None] <= torch.arange(keys - hidden.shape[1], keys)[:, None]
        mask = seen.to(hidden.device)[None, None]
    if mask.dim() != 4 or mask.shape[-1] > keys:
        raise UnsupportedModelError("Masking needs a model whose layers all get masks of the whole sequence.")
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=hidden.dtype, device=mask.device).masked_fill(~mask, lowest)
    columns = torch.zeros(len(dropped), keys, dtype=torch.bool, device=mask.device)
    columns[:, : dropped.shape[1]] = dropped.to(mask.device)
    return mask.masked_fill(columns[:, None, None, keys - mask.shape[-1] :], lowest)
