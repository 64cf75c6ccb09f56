"""Seconds spent in one module of a model, or in the functions of some Python modules; for benchmarks."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch

from fastv.measurement.timing import now


@contextmanager
def seconds_of(module: torch.nn.Module, device: torch.device) -> Iterator[list[float]]:
    """Collect the seconds of every forward call of ``module`` in the block."""
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
    """Measure the seconds spent in the functions of some Python modules, calls into other modules included.

    Yields a list that gets one entry when the block ends. For work on a CPU: on a GPU, queued work is not waited for.
    The profiler slows the block down a little.
    """
    files = {module.__file__ for module in modules}
    seconds: list[float] = []
    profile = cProfile.Profile()
    with profile:
        yield seconds
    calls = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]  # left out of the stubs
    # Of each function its time with all it calls, less the calls from within: those are in their callers' time already.
    seconds.append(
        sum(
            total - sum(call[3] for (caller, *_), call in callers.items() if caller in files)
            for (file, *_), (_, _, _, total, callers) in calls
            if file in files
        )
    )
