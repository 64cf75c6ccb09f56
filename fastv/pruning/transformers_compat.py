"""What the engine must know of transformers' internals: the cache's names and rows, and which ``generate`` is
running.
"""

from __future__ import annotations

import gc
import inspect
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin

_CACHE_NAMES = ("cache", "past_key_values")  # from Transformers 5.24 on, and before
_GENERATE = inspect.unwrap(GenerationMixin.generate).__code__
_FRAMES_LOCK = threading.Lock()
_CALL_MODULE = nn.Module._call_impl.__code__


def cache_in(named: Mapping[str, Any]) -> Any:
    """The key-value cache among a forward's keyword arguments or in a model's output; None when there is none."""
    return next((named[name] for name in _CACHE_NAMES if named.get(name) is not None), None)


def last_whole_layer(cache: Any) -> int:
    """The last layer of a cache that keeps every column, unlike sliding and recurrent ones; 0 where none is known."""
    layers = getattr(cache, "layers", ())
    whole = (hasattr(layer, "keys") and not getattr(layer, "is_sliding", False) for layer in layers)
    return max((number for number, keeps in enumerate(whole) if keeps), default=0)


def held_columns(cache: Any, layer: int) -> tuple[int, int] | None:
    """A cache's first layer from this one on that keeps columns, and how many it holds; None where all of them keep a
    state instead.
    """
    layers = getattr(cache, "layers", ())
    counting = (number for number in range(layer, len(layers)) if hasattr(layers[number], "get_seq_length"))
    found = next(counting, None) if layer < len(layers) else layer
    return None if found is None else (found, cache.get_seq_length(found))


def row_fingerprints(cache: Any, layer: int, column: int) -> Tensor | None:
    """What tells a cache's rows apart, bit for bit: the key of one column in one layer.

    A late layer's key depends on all that its row has read until then, so that a row is found again wherever it was
    moved or copied.

    Returns
    -------
    Tensor or None
        uint8 (batch, bytes), a copy; None for caches that do not hold plain tensors.
    """
    layers = getattr(cache, "layers", ())
    keys = getattr(layers[layer], "keys", None) if layer < len(layers) else None
    if not isinstance(keys, Tensor) or keys.dim() != 4 or keys.shape[2] <= column:
        return None
    return keys[:, :, column].flatten(1).contiguous().clone().view(torch.uint8)


@dataclass(frozen=True)
class GenerateCall:
    """A call of ``generate`` that is running.

    Attributes
    ----------
    key
        Tells it from the other calls that are running.
    prompt
        Its input_ids, long (batch, n), a row for each beam; as it was given them while it encodes pictures, and None
        before it has prepared anything.
    inputs
        The model's other arguments, as it was called with them.
    """

    key: int
    prompt: Tensor | None
    inputs: Mapping[str, Any]


def generate_call(base: nn.Module) -> GenerateCall | None:
    """The innermost ``generate`` of the model around ``base`` that this thread is in; None outside of one.

    It is read off the call stack. A wrapper around ``model.generate`` would not see calls of a method that was bound
    before, nor tell which of several threads, or of several nested calls, a forward belongs to.
    """
    frame = next(_running_generates(sys._getframe(1), base), None)
    if frame is None:
        return None
    found = frame.f_locals
    prompt, inputs = found.get("input_ids", found.get("inputs_tensor")), found.get("kwargs") or {}
    known = isinstance(prompt, Tensor) and prompt.dim() == 2 and not prompt.is_floating_point()
    return GenerateCall(id(frame), prompt if known else None, inputs)


def generate_keys(base: nn.Module) -> set[int]:
    """The keys of all calls that this thread is in, one inside the other."""
    return {id(frame) for frame in _running_generates(sys._getframe(1), base)}


def other_generates(base: nn.Module) -> set[tuple[int, int]]:
    """(thread, ``GenerateCall.key``) of the calls that other threads are in."""
    return {(thread, id(frame)) for thread, top in _other_threads() for frame in _running_generates(top, base)}


def runs_elsewhere(base: nn.Module) -> bool:
    """Whether another thread is inside a forward of ``base``."""
    return any(
        frame.f_code is _CALL_MODULE and frame.f_locals.get("self") is base
        for _, top in _other_threads()
        for frame in _stack(top)
    )


def _other_threads() -> list[tuple[int, FrameType]]:
    here = threading.get_ident()
    # In older Pythons (3.11.7 among them, cpython's gh-106883) a garbage collection inside that call may wait for the
    # very lock that the call holds, when it frees a ``threading.local``.
    with _FRAMES_LOCK:
        collects = gc.isenabled()
        gc.disable()
        try:
            frames = sys._current_frames()
        finally:
            if collects:
                gc.enable()
    return [(thread, frame) for thread, frame in frames.items() if thread != here]


def _running_generates(frame: FrameType | None, base: nn.Module) -> Iterator[FrameType]:
    for each in _stack(frame):
        if each.f_code is _GENERATE:
            model = each.f_locals.get("self")
            if model is base or getattr(model, "base_model", None) is base:
                yield each


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost frame outwards."""
    while frame is not None:
        yield frame
        frame = frame.f_back
