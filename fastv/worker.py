"""Work that runs in a thread of its own while its reports are read as an iterator."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Report = TypeVar("Report")


class Stopped(Exception):
    """Raised by work that noticed it is no longer wanted; ends it silently."""


class OutOfTime(Stopped):
    """Raised by work that has used up the time it was given."""


def never() -> bool:
    """The ``unwanted`` of work that stays wanted."""
    return False


def reports_of(
    work: Callable[[Callable[[Report], None], Callable[[], bool]], None],
    unwanted: Callable[[], bool] = never,
    silence: float | None = None,
) -> Iterator[Report | None]:
    """Run ``work(report, stopped)`` in a thread and yield what it passes to ``report``.

    The thread starts with the first ``next`` and has ended when the iterator has: after the last report, with the error
    that ``work`` raised, or when the iterator is closed. ``stopped()`` is True from then on, and closing waits until
    ``work`` heeds it.

    Parameters
    ----------
    work
        Called in the thread.
    unwanted
        Asked in that thread, through ``stopped``, whether the result is no longer wanted; the work then has to end by
        itself, and the iterator with it.
    silence
        Seconds without a report after which None is yielded, for readers that can close the iterator only between two
        reports. None: wait without limit, and no None is yielded.

    Yields
    ------
    Report or None

    Raises
    ------
    BaseException
        Whatever ``work`` raised, but for ``Stopped``.
    """
    reports: queue.SimpleQueue[tuple[Report | None, BaseException | None] | None] = queue.SimpleQueue()
    stop = threading.Event()

    def run() -> None:
        try:
            work(lambda report: reports.put((report, None)), lambda: stop.is_set() or unwanted())
            reports.put(None)
        except Stopped:
            reports.put(None)
        except BaseException as error:  # raised again below, in the reader's thread
            reports.put((None, error))

    thread = threading.Thread(target=run, name="fastv", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = reports.get(timeout=silence)
            except queue.Empty:
                yield None
                continue
            if item is None:
                return
            report, error = item
            if error is not None:
                raise error
            yield report
    finally:
        stop.set()
        thread.join()
