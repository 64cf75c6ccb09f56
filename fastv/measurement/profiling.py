"""Seconds spent in one module of a model, or in the functions of some Python modules; for benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FrameType, ModuleType

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

    Yields a list that gets one entry when the block ends. Where one of these functions is called amid another, through
    whatever else, its time counts once; other threads' does not. For work on a CPU: on a GPU, queued work is not waited
    for. Watching calls slows the block down a little.
    """
    files = {module.__file__ for module in modules}
    seconds: list[float] = []
    depth, begun, total = 0, 0.0, 0.0

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal depth, begun, total
        if event == "call":
            if frame.f_code.co_filename in files:
                depth += 1
                if depth == 1:
                    begun = perf_counter()
        elif event == "return" and depth and frame.f_code.co_filename in files:
            depth -= 1
            if not depth:
                total += perf_counter() - begun

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield seconds
    finally:
        sys.setprofile(before)
    seconds.append(total)
