"""Keeps a long-running app from growing: glibc has a heap (arena) per thread, and keeps in each what was freed."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

_M_ARENA_MAX, _HEAPS = -8, 2  # the first from glibc's malloc.h


def limit_arenas(environment: Mapping[str, str]) -> None:
    """Limits the heaps of the process; call it before there are many threads.

    MALLOC_ARENA_MAX in the environment takes precedence. Has no effect where the C library is not glibc.
    """
    if "MALLOC_ARENA_MAX" not in environment:
        _call("mallopt", _M_ARENA_MAX, _HEAPS)


def trim() -> None:
    """Returns free memory to the system, after a run; takes some milliseconds. No effect without glibc."""
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> None:
    function = getattr(ctypes.pythonapi, name, None)
    if function is not None:
        function(*values)
