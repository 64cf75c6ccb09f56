"""How a model is loaded into the memory a machine has: in which precision, onto which devices, and what goes before.

``plan_load`` is the one decision on all three. All of it is arithmetic over a ``MachineMemory``, done before anything
is downloaded. Sizes are bytes; "GB" in sentences are 10**9 of them. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastv.costs.memory import WeightCount, kv_cache_bytes, parameter_bytes
from fastv.errors import ModelLoadError
from fastv.families.catalogue import ModelEntry, known_shape
from fastv.families.shapes import ModelShape
from fastv.loading.machine_memory import RAM, MachineMemory, gpu_number

Sizes = ModelShape | WeightCount | None

QUANTIZED = ("8bit", "4bit")
SPREAD_SPARE_BYTES = 1_000_000_000  # left free on each of several devices: layers are not cut to fill them
_QUANTIZED_SHARE = 0.9  # of several devices' memory that transformers fills with quantized weights
_TEXT_TOKENS = 512  # of question and answer, for which the KV cache needs room beside the visual tokens
_GPU_SIZES_GB = (4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 141, 192)

#: Bytes that each model in memory holds, by place: name -> {RAM or a GPU's number: bytes}.
HeldBytes = Mapping[str, Mapping[int | str, int]]


@dataclass(frozen=True)
class Placement:
    """Where a model's weights go: GPUs by number, none for the CPU; offload: what the GPUs cannot hold waits in RAM."""

    gpus: tuple[int, ...] = ()
    offload: bool = False

    @property
    def rank(self) -> int:
        """Lower is faster: one GPU, several, GPUs with offload, the CPU."""
        return 3 if not self.gpus else 2 if self.offload else len(self.gpus) > 1

    @property
    def is_spread(self) -> bool:
        """Whether the weights lie on more than one device."""
        return len(self.gpus) > 1 or self.offload


@dataclass(frozen=True)
class LoadPlan:
    """How a model is loaded.

    Parameters
    ----------
    dtype
        The precision, one of ``costs.memory.DTYPES``.
    placement
        Where the weights go.
    needed_bytes
        Weights and KV cache; None where the model's sizes are not known.
    evict
        Names of the models in memory that have to go before.
    """

    dtype: str
    placement: Placement
    needed_bytes: int | None = None
    evict: tuple[str, ...] = ()


def plan_load(
    entry: ModelEntry,
    dtype: str,
    memory: MachineMemory,
    *,
    device: str = "auto",
    shape: ModelShape | None = None,
    weights: WeightCount | None = None,
    own_dtype: str = "float16",
    held: HeldBytes | None = None,
) -> LoadPlan:
    """Decide in which precision and where a model is loaded, and which others have to go: as few as possible.

    Parameters
    ----------
    entry
        The model.
    dtype
        One of ``costs.memory.DTYPES``, or "auto": on a GPU the checkpoint's own 16-bit type; on a CPU float32, or
        bfloat16 where only that fits. Never a quantized one, which would change answers.
    memory
        What is free now.
    device
        "auto" for the fastest place there is, "cpu", "cuda" or "cuda:1", ...
    shape
        The model's sizes where they have been read already.
    weights
        Its weights, where its sizes are not known.
    own_dtype
        The 16-bit type of the checkpoint.
    held
        What those of the models in memory hold that may go. One goes too where the new model would otherwise land in
        a slower place.

    Raises
    ------
    ModelLoadError
        Where the model does not fit even then: some systems would end the whole program instead.
    """
    allowed = memory.limited_to(device)
    places = {RAM, *range(len(allowed.gpus))} if device == "auto" else {RAM if device == "cpu" else gpu_number(device)}
    freeable = {
        name: {place: size for place, size in sizes.items() if place in places} for name, sizes in (held or {}).items()
    }
    emptied = _without(freeable, freeable, allowed)
    sizes = shape or known_shape(entry) or weights
    if dtype == "auto":
        dtype = own_dtype if device.startswith("cuda") else _auto_dtype(entry, sizes, emptied, own_dtype)
    needed = required_bytes(entry, dtype, sizes)
    if device == "auto":
        asked = Placement((0,)) if memory.gpus else Placement()
    else:
        asked = Placement(() if device == "cpu" else (gpu_number(device),))
    if needed is None:  # all the memory there can be, then
        return LoadPlan(dtype, asked, None, tuple(freeable))
    quantized = dtype in QUANTIZED
    best = find_placement(needed, emptied, quantized=quantized)
    if best is None:
        raise ModelLoadError(_too_large(entry, dtype, needed, emptied, sizes))
    evict = sorted(freeable, key=lambda name: sum(freeable[name].values()))
    for name in tuple(evict):  # the small ones are worth least when freed, so they are the first to be spared
        others = [other for other in evict if other != name]
        spared = find_placement(needed, _without(freeable, others, allowed), quantized=quantized)
        if spared is not None and spared.rank <= best.rank:
            evict, best = others, spared
    return LoadPlan(dtype, best if device == "auto" else asked, needed, tuple(evict))


def _without(held: HeldBytes, names: Any, memory: MachineMemory) -> MachineMemory:
    for name in names:
        memory = memory.with_freed(held[name])
    return memory


def _auto_dtype(entry: ModelEntry, shape: Sizes, memory: MachineMemory, own_dtype: str) -> str:
    needed = required_bytes(entry, own_dtype, shape)
    if memory.gpus and (needed is None or find_placement(needed, memory) != Placement()):
        return own_dtype
    needed = required_bytes(entry, "float32", shape)
    return "float32" if needed is None or needed <= memory.free_ram_bytes else "bfloat16"


def _too_large(entry: ModelEntry, dtype: str, needed: int, memory: MachineMemory, shape: Sizes) -> str:
    free = max(memory.free_ram_bytes, sum(gpu.free_bytes for gpu in memory.gpus))
    smallest = required_bytes(entry, "4bit", shape)
    lower = smallest is not None and find_placement(smallest, memory, quantized=True) is not None
    return (
        f"{entry.name} in {dtype} needs {gb(needed)} of memory and {gb(free)} are free: choose {smaller(dtype, lower)}."
    )


def required_bytes(entry: ModelEntry, dtype: str, shape: Sizes = None) -> int | None:
    """Bytes of a model's weights and of the KV cache of a usual prompt; None where its sizes are not known.

    Parameters
    ----------
    dtype
        One of ``costs.memory.DTYPES``.
    shape
        The model's sizes where they have been read already. A ``WeightCount`` tells nothing of the KV cache.
    """
    shape = shape or known_shape(entry)
    if shape is None:
        return None
    if isinstance(shape, WeightCount):
        return shape.bytes_in(dtype)
    lengths = (entry.visual_tokens + _TEXT_TOKENS,) * shape.decoder.layers
    return parameter_bytes(shape, dtype) + kv_cache_bytes(shape.decoder, lengths, dtype)


def find_placement(needed: int, memory: MachineMemory, *, quantized: bool = False) -> Placement | None:
    """The fastest place with so many bytes free, None where there is none.

    Parameters
    ----------
    quantized
        Weights of 4 or 8 bits run where they lie, so that none of them can wait in RAM for a GPU.
    """
    free = [gpu.free_bytes for gpu in memory.gpus]
    for number, size in enumerate(free):
        if needed <= size:
            return Placement((number,))
    everywhere = tuple(range(len(free)))
    together: float = sum(max(size - SPREAD_SPARE_BYTES, 0) for size in free)
    if quantized:
        together *= _QUANTIZED_SHARE
    if len(free) > 1 and needed <= together:
        return Placement(everywhere)
    if together and not quantized and needed <= together + memory.free_ram_bytes:
        return Placement(everywhere, offload=True)
    return Placement() if needed <= memory.free_ram_bytes else None


def smaller(dtype: str, fits_in_4bit: bool = True) -> str:
    """What to choose instead, in words, when ``dtype`` takes too much memory."""
    return "the dtype 4bit, or a smaller model" if dtype != "4bit" and fits_in_4bit else "a smaller model"


@dataclass(frozen=True)
class Fit:
    """Whether a model fits; ``fits`` is None where its size is not known beforehand. ``sentence`` is for people."""

    fits: bool | None
    sentence: str


def fit(entry: ModelEntry, dtype: str, memory: MachineMemory) -> Fit:
    """Whether a machine can hold a model once nothing else is in memory.

    Parameters
    ----------
    dtype
        One of ``costs.memory.DTYPES``, or "auto".
    """
    memory, shape = memory.emptied, known_shape(entry)
    if dtype == "auto":
        dtype = _auto_dtype(entry, shape, memory, "float16")
    needed = required_bytes(entry, dtype, shape)
    if needed is None:
        return Fit(None, f"The memory {entry.name} needs is computed from its config.json, which is downloaded first.")
    found = find_placement(needed, memory, quantized=dtype in QUANTIZED)
    if found is None:
        gpu = next((size for size in _GPU_SIZES_GB if needed <= size * 1e9), None)
        wanted = f"a GPU with {gpu} GB or {gb(needed)} of RAM" if gpu else f"{gb(needed)} of memory"
        sentence = f"{entry.name} in {dtype} needs {wanted}; this machine has {_sizes(memory)}."
        smallest = required_bytes(entry, "4bit", shape)
        if dtype != "4bit" and smallest is not None and find_placement(smallest, memory, quantized=True):
            sentence += " In 4bit it fits."
        return Fit(False, sentence)
    where = "this machine's RAM" if not found.gpus else "the GPU" if len(found.gpus) == 1 else "the GPUs together"
    if found.offload:
        where = "GPU and RAM together, and is slow there"
    return Fit(True, f"{entry.name} in {dtype} needs {gb(needed)} and fits {where} ({_sizes(memory)}).")


def gb(size: float) -> str:
    """Bytes for people: "14.1 GB"; "0.04 GB" where that would be none."""
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e9:.2g} GB"


def _sizes(memory: MachineMemory) -> str:
    ram = f"{memory.ram_bytes / 1e9:.0f} GB of RAM"
    if not memory.gpus:
        return f"{ram} and no GPU"
    sizes = [f"{gpu.bytes / 1e9:.0f} GB" for gpu in memory.gpus]
    return f"{ram} and {'a GPU' if len(sizes) == 1 else f'{len(sizes)} GPUs'} with {' and '.join(sizes)}"
