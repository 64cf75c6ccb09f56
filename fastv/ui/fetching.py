"""Models on their way into memory: how far that is while a page waits for it, and the end of it when nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastv.background import reports_of
from fastv.models.loading import LoadProgress
from fastv.ui.shelf import Shelf


def fetched(shelf: Shelf, key: str | None, other: str | None) -> Iterator[LoadProgress]:
    """Brings two models, or one that is both, into memory, and yields each new word on how far that is.

    Raises ModelLoadError. Closing the iterator ends the load; what was fetched by then need not be fetched again.
    """
    def work(report: Callable[[LoadProgress], None], stopped: Callable[[], bool]) -> None:
        shelf.both(key, other, report=report, stopped=stopped)

    said = None
    for progress in reports_of(work):
        if progress.sentence != said:
            said = progress.sentence
            yield progress
