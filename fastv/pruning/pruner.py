"""Pruning a model for the time of a ``with``: on entering decoder layer k, the visual tokens a method drops are gone.

The model stays the one that was loaded: hooks cut what layers >= k are given, and are gone afterwards. Layers 0 ... k-1
see the whole prompt; layers >= k see, and cache, what was kept, at its original positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from torch import nn

from fastv.errors import InvalidBudgetError, NestingError, UnsupportedModelError
from fastv.families.registry import family_of
from fastv.pruning.hooks import Hooks
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.fastv import FastV
from fastv.pruning.token_selection import Trace

__all__ = ["FastV", "Trace", "pruned"]

_ACTIVE: WeakSet[nn.Module] = WeakSet()  # decoders that are being pruned


@contextmanager
def pruned(model: nn.Module, method: Method) -> Iterator[Trace]:
    """Prune ``model`` by ``method`` while the context is open; it is left exactly as it was.

    Yields
    ------
    Trace
        What was done to the latest prompt.

    Raises
    ------
    UnsupportedModelError
        For a model of no family, and one whose layers cannot be pruned.
    InvalidBudgetError
        When the model has no layer ``k``.
    NestingError
        When the model is being pruned already.

    A run inside raises InvalidInputError for a prompt, and UnsupportedModelError for a cache, that cannot be served.
    """
    hooks = Hooks(method, model, family_of(model))
    _check(hooks.decoder, method.k)
    if hooks.decoder in _ACTIVE:
        raise NestingError("FastV is already active on this model. Leave the outer `with` first.")
    _ACTIVE.add(hooks.decoder)
    try:
        with hooks.attached():
            yield hooks.trace
    finally:
        _ACTIVE.discard(hooks.decoder)


def _check(decoder: nn.Module, k: int) -> None:
    layers = getattr(decoder, "layers", ())
    if not layers or not all(hasattr(layer, "self_attn") for layer in layers):
        raise UnsupportedModelError(f"FastV needs a decoder of attention layers; {type(decoder).__name__} is none.")
    if k >= len(layers):
        raise InvalidBudgetError(f"k={k}, but the model's layers are 0 to {len(layers) - 1}: choose one.")
    if decoder.config._attn_implementation == "flex_attention":
        raise UnsupportedModelError(
            "FastV cannot cut the masks of flex_attention. Load the model with attn_implementation='sdpa'."
        )
    if len(set(getattr(decoder.config, "layer_types", None) or ())) > 1:
        raise UnsupportedModelError("FastV needs layers that attend alike; this model mixes kinds of attention.")
