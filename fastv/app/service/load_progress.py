"""Loads models with progress messages, and can be cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fastv.app.service.model_pool import ModelPool
from fastv.worker import reports_of

if TYPE_CHECKING:
    from fastv.loading.load import LoadProgress

_SILENCE = 0.5  # seconds


def load_with_progress(pool: ModelPool, key: str | None, other: str | None) -> Iterator[LoadProgress | None]:
    """Loads two models, or one that is both, and yields each new message.

    Yields None every half second without a message: a Gradio event can only be cancelled between two steps. Closing
    the iterator ends the load; what was downloaded by then need not be downloaded again.

    Raises
    ------
    ModelLoadError
    """

    def work(report: Callable[[LoadProgress], None], stopped: Callable[[], bool]) -> None:
        pool.load_pair(key, other, report=report, stopped=stopped)

    said = None
    for progress in reports_of(work, silence=_SILENCE):
        if progress is None:
            yield None
        elif progress.sentence != said:
            said = progress.sentence
            yield progress
