"""Looking at one layer's queries and keys while its own attention kernel (SDPA, flash, eager) computes it as always.

No layer is switched to another kernel and none runs twice: the layer's attention module gets a copy of its config that
names the function below, which shows queries and keys to an observer and calls the kernel the model was loaded with.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from transformers import AttentionInterface

from fastv.errors import UnsupportedModelError

_NAME = "fastv_observed"
_OBSERVED: WeakKeyDictionary[nn.Module, tuple[object, Callable]] = WeakKeyDictionary()


def _observed_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs
):
    config, observer = _OBSERVED[module]
    scaling = kwargs.get("scaling") or query.shape[-1] ** -0.5
    observer(query, key, attention_mask, scaling)
    eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    kernel = AttentionInterface().get_interface(config._attn_implementation, eager)
    return kernel(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register(_NAME, _observed_attention)


@contextmanager
def observing(attention: nn.Module, observer: Callable[[Tensor, Tensor, Tensor | None, float], None]) -> Iterator[None]:
    """While open, each call of ``attention`` first calls ``observer(query, key, attention_mask, scaling)``.

    attention: a layer's attention module. query: (batch, heads, rows, d) and key: (batch, kv_heads, n, d) after the
    rotary embedding, key with what the cache holds; attention_mask: as the kernel gets it. Raises
    UnsupportedModelError for a module that does not choose its kernel through transformers' AttentionInterface.
    """
    config = getattr(attention, "config", None)
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
