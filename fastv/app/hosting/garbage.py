"""Keeps what lives as long as the app out of Python's garbage collection."""

from __future__ import annotations

import gc


def exempt_what_is_there() -> None:
    """Call it when all libraries are imported, and before a model is loaded that may be dropped later.

    A full collection otherwise visits some hundred thousand objects of modules, which takes about half a second;
    on a GPU one comes before each memory measurement (:func:`fastv.measurement.memory.peak_memory`).
    """
    gc.collect()
    gc.freeze()
