"""Whether a model fits a machine, said before anything is downloaded, and what has to go before it can be loaded.

All of it is arithmetic over a ``Room``: what a machine has and what is free of it. Bytes are bytes; "GB" in sentences
are 10**9 of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastv.costs.configs import known
from fastv.costs.memory import kv_cache_bytes, parameter_bytes
from fastv.errors import FastVError, ModelLoadError
from fastv.families.catalogue import ModelEntry
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.loading.machine_memory import Room

_QUANTIZED_SHARE = 0.9  # of several devices' memory that transformers fills with quantized weights
SPREAD_SPARE_BYTES = 1_000_000_000  # left free on each of several devices: layers are not cut to fill them
_TEXT_TOKENS = 512  # of question and answer, for which the KV cache needs room beside the visual tokens
_GPU_SIZES_GB = (4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 141, 192)


@dataclass(frozen=True)
class Place:
    """Where a model's weights go: GPUs by number, none for the CPU; offload: what the GPUs cannot hold waits in RAM."""

    gpus: tuple[int, ...] = ()
    offload: bool = False

    @property
    def rank(self) -> int:
        """Lower is faster: one GPU, several, GPUs with offload, the CPU."""
        return 3 if not self.gpus else 2 if self.offload else len(self.gpus) > 1


def shape_at_hand(entry: ModelEntry) -> ModelShape | None:
    """A model's sizes as far as this machine knows them without a download; None when it does not."""
    if entry.key in known():
        return known()[entry.key]
    config = Path(entry.source, "config.json")
    try:
        return read_shape(json.loads(config.read_text(encoding="utf-8"))) if config.is_file() else None
    except (FastVError, ValueError, OSError):
        return None


def need(entry: ModelEntry, dtype: str, shape: ModelShape | None = None) -> int | None:
    """Bytes of a model's weights in ``dtype`` (one of footprint.DTYPES) and of the KV cache of a usual prompt.

    shape: where it is known already. None when the sizes are not known.
    """
    shape = shape or shape_at_hand(entry)
    if shape is None:
        return None
    lengths = (entry.visual_tokens + _TEXT_TOKENS,) * shape.decoder.layers
    return parameter_bytes(shape, dtype) + kv_cache_bytes(shape.decoder, lengths, dtype)


def place(needed: int, room: Room, *, quantized: bool = False) -> Place | None:
    """The fastest place with that many bytes free, None when there is none.

    quantized: weights of 4 or 8 bits run where they lie, so that none of them can wait in RAM for a GPU.
    """
    free = [gpu.free_bytes for gpu in room.gpus]
    for number, memory in enumerate(free):
        if needed <= memory:
            return Place((number,))
    everywhere, together = tuple(range(len(free))), sum(max(memory - SPREAD_SPARE_BYTES, 0) for memory in free)
    if quantized:
        together *= _QUANTIZED_SHARE
    if len(free) > 1 and needed <= together:
        return Place(everywhere)
    if together and not quantized and needed <= together + room.free_ram_bytes:
        return Place(everywhere, offload=True)
    return Place() if needed <= room.free_ram_bytes else None


def auto_dtype(entry: ModelEntry, room: Room, own: str = "float16", shape: ModelShape | None = None) -> str:
    """The precision to load in when none was asked for; never a quantized one, which changes answers.

    own: the 16-bit type of the checkpoint. On a GPU that; on the CPU float32, or bfloat16 where only that fits.
    """
    needed = need(entry, own, shape)
    if room.gpus and (needed is None or place(needed, room) != Place()):
        return own
    needed = need(entry, "float32", shape)
    return "float32" if needed is None or needed <= room.free_ram_bytes else "bfloat16"


def smaller(dtype: str, fits_in_4bit: bool = True) -> str:
    """What to choose instead, in words, when ``dtype`` takes too much memory."""
    return "the dtype 4bit, or a smaller model" if dtype != "4bit" and fits_in_4bit else "a smaller model"


@dataclass(frozen=True)
class Fit:
    """``fits`` is None when a model's size is not known beforehand; ``sentence`` says it to people."""

    fits: bool | None
    sentence: str


def fit(entry: ModelEntry, dtype: str, room: Room) -> Fit:
    """Whether a machine can hold a model once nothing else is in memory. dtype: one of footprint.DTYPES, or "auto"."""
    room = room.emptied
    dtype = auto_dtype(entry, room) if dtype == "auto" else dtype
    needed = need(entry, dtype)
    if needed is None:
        return Fit(None, f"How much memory {entry.name} needs shows in its config.json, which is fetched first.")
    found = place(needed, room, quantized=_quantized(dtype))
    if found is None:
        gpu = next((size for size in _GPU_SIZES_GB if needed <= size * 1e9), None)
        wanted = f"a GPU with {gpu} GB or {gb(needed)} of RAM" if gpu else f"{gb(needed)} of memory"
        sentence = f"{entry.name} in {dtype} needs {wanted}; this machine has {_has(room)}."
        lower = need(entry, "4bit")
        if dtype != "4bit" and place(lower, room, quantized=True):
            sentence += " In 4bit it fits."
        return Fit(False, sentence)
    where = "this machine's RAM" if not found.gpus else "the GPU" if len(found.gpus) == 1 else "the GPUs together"
    if found.offload:
        where = "GPU and RAM together, and is slow there"
    return Fit(True, f"{entry.name} in {dtype} needs {gb(needed)} and fits {where} ({_has(room)}).")


def must_free(
    needed: int,
    held: Mapping[str, Mapping[int | str, int]],
    room: Room,
    *,
    quantized: bool = False,
    keep: Collection[str] = (),
) -> tuple[str, ...]:
    """Which of the models in memory have to go before one of ``needed`` bytes is loaded: as few as possible.

    held: name -> bytes by place (RAM, or a GPU's number). A model goes too where the new one would otherwise land in
    a slower place. keep: names that stay whatever happens. Raises ModelLoadError when even then there is no room.
    """
    candidates = [name for name in held if name not in keep]
    best = place(needed, _without(held, candidates, room), quantized=quantized)
    if best is None:
        raise ModelLoadError(
            f"The model needs {gb(needed)} and does not fit in memory, whatever is freed: choose a "
            "smaller one, or a smaller dtype."
        )
    candidates.sort(key=lambda name: sum(held[name].values()))
    gone = list(candidates)
    for name in candidates:  # the small ones are worth least when freed, so they are the first to be spared
        spared = place(needed, _without(held, [other for other in gone if other != name], room), quantized=quantized)
        if spared is not None and spared.rank <= best.rank:
            gone.remove(name)
    return tuple(gone)


def _without(held: Mapping[str, Mapping[int | str, int]], names: Collection[str], room: Room) -> Room:
    for name in names:
        room = room.with_freed(held[name])
    return room


def _quantized(dtype: str) -> bool:
    return dtype in ("8bit", "4bit")


def gb(size: float) -> str:
    """Bytes for people: "14.1 GB"; "0.04 GB" where that would be none."""
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e9:.2g} GB"


def _has(room: Room) -> str:
    ram = f"{room.ram_bytes / 1e9:.0f} GB of RAM"
    if not room.gpus:
        return f"{ram} and no GPU"
    sizes = [f"{gpu.bytes / 1e9:.0f} GB" for gpu in room.gpus]
    return f"{ram} and {'a GPU' if len(sizes) == 1 else f'{len(sizes)} GPUs'} with {' and '.join(sizes)}"
