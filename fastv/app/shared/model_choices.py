"""The models in a list to choose from: those that run here first, each with the size of its download and its fit."""

from __future__ import annotations

from fastv.app.service.model_pool import ModelPool
from fastv.families.catalogue import ModelEntry
from fastv.loading.machine_memory import MachineMemory
from fastv.loading.memory_fit import fit, gb

RUNS_HERE, NOT_KNOWN, TOO_LARGE = "runs here", "size not known", "too large here"
SEARCH = "Type to search. Models that run here come first."
SEARCH_READABLE = "Type to search. Others appear here once Compare has loaded them."

_ORDER = (RUNS_HERE, NOT_KNOWN)  # all other marks, which say why a model cannot run here, come last


def model_choices(pool: ModelPool, memory: MachineMemory) -> list[tuple[str, str]]:
    """Every model of a pool as (text, key), in groups: those that run here, those of unknown size, those that cannot.

    A group keeps the order of the pool, which is by family. The text tells the group too, so that a search for
    "runs here" finds it. A model that cannot run here stays in the list: choosing it tells why.
    """
    marked = [(entry, mark(pool, entry, memory)) for entry in pool.entries.values()]
    marked.sort(key=lambda pair: _ORDER.index(pair[1]) if pair[1] in _ORDER else len(_ORDER))
    return [(_text(entry, said), entry.key) for entry, said in marked]


def mark(pool: ModelPool, entry: ModelEntry, memory: MachineMemory) -> str:
    """A few words on whether a model runs here, or why it does not."""
    if entry.key in pool.unavailable:
        return pool.unavailable[entry.key].mark
    if entry.embedded or entry.key == pool.default or pool.is_loaded(entry.key):
        return RUNS_HERE
    return {True: RUNS_HERE, None: NOT_KNOWN, False: TOO_LARGE}[fit(entry, pool.dtype, memory).fits]


def _text(entry: ModelEntry, said: str) -> str:
    size = [gb(entry.download_bytes)] if entry.download_bytes else []
    return " · ".join([entry.name, *size, said])


def readable_models(pool: ModelPool) -> list[tuple[str, str]]:
    """(name, key) of the models that can be asked at once: those that come with the project, and those in memory."""
    return [
        (entry.name, key)
        for key, entry in pool.entries.items()
        if key not in pool.unavailable and (entry.embedded or pool.is_loaded(key))
    ]


def first_readable(pool: ModelPool, wanted: str) -> str:
    """The model that is chosen to begin with: ``wanted`` where it can be asked at once."""
    keys = [key for _, key in readable_models(pool)]
    return wanted if wanted in keys else keys[0] if keys else pool.default
