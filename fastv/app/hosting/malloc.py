"""Memory that is given back: glibc keeps a heap for each of many threads, and in each what was freed, and an app that serves
for days grows by them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

_M_ARENA_MAX, _HEAPS = -8, 2  # the first from glibc's malloc.h


def limit_arenas(environment: Mapping[str, str]) -> None:
    """For the whole process, before it has many threads; MALLOC_ARENA_MAX in the environment has the last word. Does
    nothing where the C library is not glibc.
    """
    if "MALLOC_ARENA_MAX" not in environment:
        _call("mallopt", _M_ARENA_MAX, _HEAPS)


def trim() -> None:
    """What nobody uses any more, to the system: some milliseconds, for when a run is over. Likewise."""
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> None:
    function = getattr(ctypes.pythonapi, name, None)
    if function is not None:
        function(*values)
