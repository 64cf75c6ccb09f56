"""Peak memory of a run, and the bytes of weights and caches. Memory is taken in a pass of its own that is not timed.

- On CUDA it is the allocator's own peak.
- On a CPU it is the bytes of all tensors alive at once, followed operation by operation. Buffers that a kernel takes
  and gives back within one operation are not seen, nor is what the allocator holds in reserve.

Both are counted on top of the weights and buffers, which stay in memory throughout. The prompt's own tensors, made
before the run, are not counted.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass
class Memory:
    """Filled in when ``peak_memory`` ends."""

    peak_bytes: int = 0


def cache_bytes(cache: Any) -> int:
    """Bytes of the keys and values of a transformers cache, all layers together."""
    return sum(tensor.nbytes for layer in cache.layers for tensor in _tensors(layer) if tensor is not None)


def _tensors(layer: Any) -> list[Tensor | None]:
    """Keys and values of a cache's layer, and the states of one that keeps some."""
    states = [getattr(layer, name, {}) for name in ("conv_states", "recurrent_states")]
    return [getattr(layer, "keys", None), getattr(layer, "values", None), *states[0].values(), *states[1].values()]


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of the weights and buffers in memory: shared ones once, quantized ones with their scales."""
    tensors = [*model.parameters(), *model.buffers()]
    # bitsandbytes keeps the scales of 4-bit weights at the weight and those of 8-bit ones at their layer.
    states = [getattr(tensor, "quant_state", None) for tensor in tensors]
    states += [getattr(part, "state", None) for part in model.modules()]
    states = [state for state in states if hasattr(state, "__dict__")]
    tensors += [value for state in states for value in vars(state).values() if isinstance(value, torch.Tensor)]
    storages = {tensor.untyped_storage()._cdata: tensor.nbytes for tensor in tensors}
    return sum(storages.values())


@contextmanager
def peak_memory(model: torch.nn.Module) -> Iterator[Memory]:
    """Follow the memory in use while the context is open.

    On a CPU every operation in the block is slowed down: do not time it. Only the thread it was entered in is followed.

    Parameters
    ----------
    model
        The model that runs in the block; its weights are part of the peak.

    Yields
    ------
    Memory
        Its ``peak_bytes`` is set when the block ends; over several GPUs it is the sum of their peaks.
    """
    memory, weights = Memory(), weight_bytes(model)
    gpus = {weight.device for weight in model.parameters() if weight.device.type == "cuda"}
    # Tensors that wait for the collector would count as in use, or not, by chance. On a CPU only those made in the
    # block count, so that the young are enough: a full collection visits all objects of all libraries.
    gc.collect(2 if gpus else 1)
    if gpus:
        before = {}
        for gpu in gpus:
            torch.cuda.synchronize(gpu)
            torch.cuda.reset_peak_memory_stats(gpu)
            before[gpu] = torch.cuda.memory_allocated(gpu)
        yield memory
        for gpu in gpus:
            torch.cuda.synchronize(gpu)
        memory.peak_bytes = weights + sum(torch.cuda.max_memory_allocated(gpu) - before[gpu] for gpu in gpus)
    else:
        with _LiveBytes() as live:
            yield memory
        memory.peak_bytes = weights + live.peak


class _LiveBytes(TorchDispatchMode):
    """Follows every storage that an operation makes until it is freed; storages from before do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._alive: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {storage._cdata for storage in _storages((args, kwargs))}
        for storage in _storages(result):
            key = storage._cdata
            if key not in given and key not in self._alive:
                self._alive[key] = weakref.ref(storage, partial(self._freed, key, storage.nbytes()))
                self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        return result

    def _freed(self, key: int, size: int, _: weakref.ref) -> None:
        del self._alive[key]
        self.live -= size


def _storages(tree: Any) -> Iterator[torch.UntypedStorage]:
    return (leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))
