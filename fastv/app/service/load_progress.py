"""Models on their way into memory: how far that is while a page waits for it, and the end of it when nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastv.app.service.model_pool import ModelPool
from fastv.loading.load import LoadProgress
from fastv.worker import reports_of

_SILENCE = 0.5  # seconds


def fetched(pool: ModelPool, key: str | None, other: str | None) -> Iterator[LoadProgress | None]:
    """Brings two models, or one that is both, into memory, and yields each new word on how far that is.

    None comes while there is nothing new to say: a page can be left, or told to stop, between two steps only.

    Raises ModelLoadError. Closing the iterator ends the load; what was fetched by then need not be fetched again.
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
