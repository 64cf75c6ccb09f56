"""What each model needs and whether it fits this machine, to be read before anything is downloaded."""

from __future__ import annotations

from typing import Any

from fastv.app.service.model_pool import ModelPool
from fastv.families.catalogue import ModelEntry
from fastv.loading.machine_memory import MachineMemory
from fastv.loading.memory_fit import fit, gb, required_bytes
from fastv.presentation.html import render

_PRECISIONS = {"16 bits": "float16", "8 bits": "8bit", "4 bits": "4bit"}


def models_table(pool: ModelPool, memory: MachineMemory) -> str:
    """Every model of a pool, as HTML: its download, the memory it takes in each precision, and what fits here."""
    rows = [_row(pool, entry, memory) for entry in pool.entries.values()]
    return render("app/compare/models_table", titles=["Download", *_PRECISIONS], rows=rows)


def _row(pool: ModelPool, entry: ModelEntry, memory: MachineMemory) -> dict[str, Any]:
    download = "none" if entry.embedded else _gb(entry.download_bytes)
    sizes = [_gb(required_bytes(entry, dtype)) for dtype in _PRECISIONS.values()]
    unavailable = pool.unavailable.get(entry.key)
    here = unavailable.sentence if unavailable else fit(entry, pool.dtype, memory).sentence
    words = entry.revision_words
    here = f"{here} {words.capitalize()}." if words else here
    return {"name": entry.name, "cells": [download, *sizes], "here": here}


def _gb(size: float | None) -> str:
    """Without the unit, which the column says."""
    return gb(size).removesuffix(" GB") if size else "not known"
