"""Time and memory of a run: the one place that times what is shown.

Seconds come from whole calls of ``generate`` in which nothing else happens. Work that a device still has queued is
waited for before the clock is read. Memory is taken in a pass of its own, which nobody times:

- on CUDA, the allocator's own peak;
- on a CPU, the bytes of all tensors alive at once, followed operation by operation. Buffers a kernel takes and gives
  back within one operation are not seen, nor is what the allocator holds in reserve.

Both are counted on top of the weights and buffers, which stay in memory throughout. The prompt's own tensors, made
before the run, are not counted.
"""

from __future__ import annotations

import cProfile
import gc
import platform
import pstats
import statistics
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import StoppingCriteria, StoppingCriteriaList

from fastv.measurement.system_load import Neighbours, cores_given
from fastv.pruning.caches import cache_in
from fastv.worker import OutOfTime

Result = TypeVar("Result")


@dataclass(frozen=True)
class Spread:
    """One quantity over repeated runs, in the unit of the field it stands in; ``runs`` in the order they were made."""

    median: float
    low: float
    high: float
    runs: tuple[float, ...]

    @classmethod
    def of(cls, runs: Iterable[float]) -> Spread:
        runs = tuple(runs)
        return cls(statistics.median(runs), min(runs), max(runs), runs)


@dataclass(frozen=True)
class Pass:
    """One answer: its tokens and what it took.

    prefill_seconds runs from the call to the first token, vision tower included; decode_seconds_per_token is the mean
    over the tokens after it (None when there are none); total_seconds runs to the last token. ``kv_cache_bytes`` are
    those of the keys and values of all layers when the last token is out, that is for the prompt and all tokens of
    the answer but the last.
    """

    tokens: tuple[int, ...]
    prefill_seconds: float
    decode_seconds_per_token: float | None
    total_seconds: float
    kv_cache_bytes: int


@dataclass(frozen=True)
class Timing:
    """The seconds of repeated passes. ``decode_seconds_per_token`` is None when the answer is a single token."""

    prefill_seconds: Spread
    decode_seconds_per_token: Spread | None
    total_seconds: Spread

    @classmethod
    def of(cls, passes: Sequence[Pass]) -> Timing:
        steps = [one.decode_seconds_per_token for one in passes if one.decode_seconds_per_token is not None]
        return cls(
            prefill_seconds=Spread.of(one.prefill_seconds for one in passes),
            decode_seconds_per_token=Spread.of(steps) if steps else None,
            total_seconds=Spread.of(one.total_seconds for one in passes),
        )


@dataclass(frozen=True)
class Machine:
    """Where something was measured. cores: those this program may use, of all_cores there are; others_busy_cores: how
    many of them other programs kept busy on average while it was measured. None where nobody looked.
    """

    device: str
    threads: int
    python: str
    torch: str
    transformers: str
    cores: float | None = None
    all_cores: int | None = None
    others_busy_cores: float | None = None

    @classmethod
    def here(cls, device: torch.device, others: Neighbours | None = None) -> Machine:
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor_name()
        return cls(
            name,
            torch.get_num_threads(),
            platform.python_version(),
            torch.__version__,
            transformers.__version__,
            *cores_given(),
            others.busy_cores if others else None,
        )

    @property
    def share(self) -> str:
        """What of the machine this program had, as the end of a sentence; empty where nobody looked."""
        busy = self.others_busy_cores
        cores = "" if self.cores is None else f", {self.cores:g} of {self.all_cores} cores"
        if busy is None:
            return cores
        return cores + (
            f"; other programs kept {busy:.1f} cores busy meanwhile"
            if busy >= 0.05
            else "; no other program was at work meanwhile"
        )


@dataclass
class Memory:
    """Filled in when ``peak_memory`` ends."""

    peak_bytes: int = 0


def now(device: torch.device) -> float:
    """Seconds on a clock that only goes forward, after all work given to the device so far is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def generate(
    model,
    inputs: Mapping[str, torch.Tensor],
    *,
    max_new_tokens: int,
    on_token: Callable[[tuple[int, ...]], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Pass:
    """One greedy answer to one prompt, timed; whatever a checkpoint's own settings would do to that is left out.

    inputs: what the processor made, one row, on the model's device. on_token: called with all tokens of the answer so
    far after each one; leave it out of passes whose times matter. stopped: asked after each token whether to end the
    answer there.
    """
    device = inputs["input_ids"].device  # a model laid out over several places may call none of them its own
    steps = _Steps(inputs["input_ids"].shape[1], device, on_token, stopped)
    start = now(device)
    output = model.generate(
        **inputs,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        use_cache=True,
        temperature=None,
        top_p=None,
        top_k=None,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        return_dict_in_generate=True,
        stopping_criteria=StoppingCriteriaList([steps]),
    )
    first, last = steps.times[0], steps.times[-1]
    tokens = tuple(output.sequences[0, inputs["input_ids"].shape[1] :].tolist())
    return Pass(
        tokens=tokens,
        prefill_seconds=first - start,
        total_seconds=last - start,
        decode_seconds_per_token=(last - first) / (len(tokens) - 1) if len(tokens) > 1 else None,
        kv_cache_bytes=cache_bytes(cache_in(output)),
    )


class _Steps(StoppingCriteria):
    """Asked by ``generate`` after every token whether to go on: notes the time, passes the tokens on."""

    def __init__(self, prompt_length: int, device: torch.device, on_token, stopped):
        self.prompt_length, self.device, self.on_token, self.stopped = prompt_length, device, on_token, stopped
        self.times: list[float] = []

    def __call__(self, input_ids: torch.LongTensor, scores, **kwargs) -> torch.BoolTensor:
        self.times.append(now(self.device))
        if self.on_token:
            self.on_token(tuple(input_ids[0, self.prompt_length :].tolist()))
        return torch.full((input_ids.shape[0],), self.stopped(), dtype=torch.bool, device=input_ids.device)


def interleaved(sides: Sequence[Callable[[], Result]], *, repeats: int, warmup: int = 0) -> list[list[Result]]:
    """Run the sides in turn, A B A B, so that a machine that slows down slows all of them.

    Returns for each side the results of its ``repeats`` runs; those of the ``warmup`` rounds before are dropped. A side
    that raises OutOfTime ends it: with the whole rounds that are there, equally many of each side, else by passing the
    error on.
    """
    results: list[list[Result]] = [[] for _ in sides]
    for turn in range(warmup + repeats):
        try:
            fresh = [side() for side in sides]
        except OutOfTime:
            if not results[0]:
                raise
            break
        if turn >= warmup:
            for kept, result in zip(results, fresh):
                kept.append(result)
    return results


@contextmanager
def seconds_of(module: torch.nn.Module, device: torch.device) -> Iterator[list[float]]:
    """Collects the seconds of every forward call of ``module`` made in the block."""
    starts: list[float] = []
    seconds: list[float] = []
    before = module.register_forward_pre_hook(lambda *_: starts.append(now(device)))
    after = module.register_forward_hook(lambda *_: seconds.append(now(device) - starts.pop()))
    try:
        yield seconds
    finally:
        before.remove()
        after.remove()


@contextmanager
def seconds_inside(*modules: ModuleType) -> Iterator[list[float]]:
    """Yields a list that gets one entry when the block ends: the seconds spent in functions of these Python modules.

    What they call elsewhere is part of it, and what calls them is not. For work on a CPU: a GPU may still be at it
    when the functions have returned. The profiler this takes slows the block down a little.
    """
    files = {module.__file__ for module in modules}
    seconds: list[float] = []
    profile = cProfile.Profile()
    with profile:
        yield seconds
    calls = pstats.Stats(profile).stats.items()
    # Of each function its time with all it calls, less the calls from within: those are in their callers' time already.
    seconds.append(
        sum(
            total - sum(call[3] for (caller, *_), call in callers.items() if caller in files)
            for (file, *_), (_, _, _, total, callers) in calls
            if file in files
        )
    )


def cache_bytes(cache) -> int:
    """Bytes of the keys and values a transformers cache holds, all layers together."""
    return sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values) if tensor is not None)


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of the weights and buffers as they lie in memory: shared ones once, quantized ones with their scales."""
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
    """Yields a ``Memory`` that knows, once the block has ended, the most bytes that were in use during it.

    The model's weights are part of it. Over several GPUs it is the sum of each one's most. On a CPU every operation in
    the block is slowed down: do not time it. Follows the thread it was entered in.
    """
    memory, weights = Memory(), weight_bytes(model)
    gpus = {weight.device for weight in model.parameters() if weight.device.type == "cuda"}
    gc.collect()  # tensors that wait for the collector would count as in use, or not, by chance
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
    """Follows every storage that an operation makes until it is freed; those that were there before do not count."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._alive: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
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


def _storages(tree) -> Iterator[torch.UntypedStorage]:
    return (leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def _processor_name() -> str:
    """The processor's name where the system tells it."""
    try:
        names = [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
