"""The times of one question at every cell: each a pass by itself, as a user's would be, unshared and in no batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from fastv.loading.load import LoadedModel
from fastv.measurement.memory import peak_memory
from fastv.measurement.method_clock import MethodClock
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
    clock = MethodClock(loaded.device)

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
