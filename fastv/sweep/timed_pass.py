"""The times of one question at every cell: each a pass by itself, as a user's would be, unshared and in no batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch

from fastv.loading.load import LoadedModel
from fastv.measurement.memory import peak_memory
from fastv.measurement.thread_choice import fitting_threads
from fastv.measurement.timing import generate
from fastv.pruning.pruner import pruned
from fastv.sweep.cells import Cell, CellTime, for_sample
from fastv.sweep.datasets.base import Sample
from fastv.sweep.quality_pass import prompt_for


def time_question(
    loaded: LoadedModel,
    sample: Sample,
    identity: str,
    cells: Sequence[Cell],
    *,
    answer_tokens: int,
    turn: int = 0,
    first: bool = False,
) -> list[CellTime]:
    """Time one question at several cells, one after the other.

    Parameters
    ----------
    loaded
        The model.
    sample, identity
        The question and its id.
    cells
        The pruning configs; None for no pruning.
    answer_tokens
        The longest answer, in tokens.
    turn
        The number of the question. Every second one takes the cells backwards, and each pair of questions begins with
        another cell, so that a machine that grows slower favours none.
    first
        Whether to run each cell once before it is timed: the first passes of a process are slow. Their memory is
        followed.

    Returns
    -------
    list of CellTime
        In the order of ``cells``.

    Raises
    ------
    InvalidInputError
        Where the question or the image cannot be used.
    """
    prompt = prompt_for(loaded, sample, answer_tokens)
    clock = _MethodClock(loaded.device)

    def answer(cell: Cell) -> CellTime:
        method = pruned(loaded.model, clock.of(for_sample(cell, identity).build())) if cell else nullcontext()
        with loaded.lock, method:
            measured = generate(loaded.model, prompt.inputs, max_new_tokens=answer_tokens)
        own = clock.seconds() if cell else None
        return CellTime(cell, measured.prefill_seconds, measured.total_seconds, own, measured.kv_cache_bytes)

    peaks: dict[Cell, int] = {}
    with fitting_threads(loaded.device):
        if first:
            for cell in cells:
                with peak_memory(loaded.model) as memory:
                    answer(cell)
                peaks[cell] = memory.peak_bytes
        found = {cell: answer(cell) for cell in order_of(cells, turn)}
    return [replace(found[cell], peak_bytes=peaks.get(cell)) for cell in cells]


def order_of(cells: Sequence[Cell], turn: int) -> list[Cell]:
    """The cells as the question of this number takes them: rotated every second question, and backwards in between."""
    begin = turn // 2 % len(cells)
    order = [*cells[begin:], *cells[:begin]]
    return order if turn % 2 == 0 else order[::-1]


class _MethodClock:
    """Seconds inside a method's ``select``, without waiting for the device in the midst of a timed pass."""

    def __init__(self, device: torch.device):
        self._cuda = device.type == "cuda"
        self._spans: list[tuple[Any, Any]] = []

    def of(self, method: Any) -> Any:
        """The method, followed: whatever else is asked of it, it answers itself."""
        return _Clocked(method, self)

    def mark(self) -> Any:
        if not self._cuda:
            return perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def add(self, begin: Any, end: Any) -> None:
        self._spans.append((begin, end))

    def seconds(self) -> float:
        """Since they were asked for last; the device has ended its work."""
        spans, self._spans = self._spans, []
        return sum(begin.elapsed_time(end) / 1000 if self._cuda else end - begin for begin, end in spans)


class _Clocked:
    def __init__(self, method: Any, clock: _MethodClock):
        self._method, self._clock = method, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def select(self, prompt: Any, signals: Any) -> Any:
        begin = self._clock.mark()
        try:
            return self._method.select(prompt, signals)
        finally:
            self._clock.add(begin, self._clock.mark())
