"""Pruning a model for the time of a ``with``: on entering a cut's layer, the visual tokens a method drops are gone.

The model stays the one that was loaded: hooks cut what its layers are given, and are gone afterwards. Layers before
the first cut see the whole prompt; later ones see, and cache, what was kept, at its original positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from weakref import WeakSet

from torch import nn

from fastv.errors import NestingError
from fastv.families.base import base_of
from fastv.families.registry import family_of
from fastv.pruning.hooks.model_hooks import PruningHooks
from fastv.pruning.requirements import check_cuts, check_model, check_renumbering, check_weights
from fastv.pruning.token_selection import TokenSelector, schedule_of
from fastv.pruning.trace import Trace

_ACTIVE: WeakSet[nn.Module] = WeakSet()  # decoders that are being pruned
_LOCK = Lock()


@contextmanager
def pruned(model: nn.Module, method: TokenSelector) -> Iterator[Trace]:
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
        When the model lacks a layer at which the method cuts.
    NestingError
        When the model is being pruned already.

    A run inside raises InvalidInputError for a prompt, and UnsupportedModelError for a cache, that cannot be served.
    """
    family = family_of(model)
    decoder: Any = family.decoder(model)
    check_model(model, base_of(model), decoder)
    if method.proportional:
        check_weights(decoder)
    if method.positions == "close":
        check_renumbering(decoder)
    layers = schedule_of(method, len(decoder.layers))
    check_cuts(layers, family.last_cut(model))
    hooks = PruningHooks(method, model, family, layers)
    with _LOCK:
        if hooks.decoder in _ACTIVE:
            raise NestingError("FastV is already active on this model. Leave the outer `with` first.")
        _ACTIVE.add(hooks.decoder)
    try:
        with hooks.attached():
            yield hooks.trace
    finally:
        _ACTIVE.discard(hooks.decoder)
