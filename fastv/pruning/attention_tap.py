"""Seeing one layer's queries and keys while its own attention kernel (SDPA, flash, eager) computes it as always.

No layer is switched to another kernel and none runs twice: the layer's attention module gets a copy of its config that
names the function below, which shows queries and keys to an observer and calls the kernel the model was loaded with.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from transformers import AttentionInterface

from fastv.errors import UnsupportedModelError

Observer = Callable[[Tensor, Tensor, "Tensor | None", float], None]

_NAME = "fastv_observed"
_OBSERVED: WeakKeyDictionary[nn.Module, tuple[Any, Observer]] = WeakKeyDictionary()


def _observed_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> Any:
    config, observer = _OBSERVED[module]
    scaling = kwargs.get("scaling") or query.shape[-1] ** -0.5
    observer(query, key, attention_mask, scaling)
    eager: Any = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    kernel = AttentionInterface().get_interface(config._attn_implementation, eager)
    return kernel(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register(_NAME, _observed_attention)


def observer_of(attention: nn.Module) -> Observer | None:
    """The observer of an attention module that is being observed; for what calls it in place of the kernel."""
    return _OBSERVED[attention][1] if attention in _OBSERVED else None


@contextmanager
def observing(attention: nn.Module, observer: Observer) -> Iterator[None]:
    """While open, each call of ``attention`` first calls ``observer(query, key, attention_mask, scaling)``.

    Parameters
    ----------
    attention : nn.Module
        A layer's attention module.
    observer : callable
        Called with ``query`` (batch, heads, rows, width) and ``key`` (batch, kv_heads, n, width), both after the rotary
        embedding and ``key`` with what the cache holds, the mask as the kernel gets it, and the scaling of the
        products.

    Raises
    ------
    UnsupportedModelError
        For a module that does not choose its kernel through transformers' AttentionInterface.
    """
    config: Any = getattr(attention, "config", None)
    if getattr(config, "_attn_implementation", None) is None:
        kind = type(attention).__name__
        raise UnsupportedModelError(f"{kind} does not attend through transformers' AttentionInterface.")
    renamed = copy.copy(config)
    renamed._attn_implementation = _NAME
    _OBSERVED[attention] = config, observer
    attention.config = renamed
    try:
        yield
    finally:
        attention.config = config
        del _OBSERVED[attention]
