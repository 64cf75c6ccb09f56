"""Work that runs in a thread of its own while its reports are read as an iterator."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Report = TypeVar("Report")


class Stopped(Exception):
    """Raised by work that noticed it is no longer wanted; ends it without further words."""


class OutOfTime(Stopped):
    """Raised by work that has had all the time it was given."""


def never() -> bool:
    """Work that stays wanted."""
    return False


def reports_of(
    work: Callable[[Callable[[Report], None], Callable[[], bool]], None],
    unwanted: Callable[[], bool] = never,
    silence: float | None = None,
) -> Iterator[Report | None]:
    """Runs ``work(report, stopped)`` in a thread and yields what it passes to ``report``.

    The thread starts with the first ``next`` and has ended when the iterator has: after the last report, with the
    error that ``work`` raised, or when the iterator is closed. ``stopped()`` is True from then on, and closing waits
    until ``work`` heeds it. unwanted: asked, in that thread, whether nobody waits for the work any more; it has then
    to end by itself, and the iterator with it. silence: seconds without a report after which None is yielded, for
    readers that can let go of the iterator between two reports only.
    """
    reports: queue.SimpleQueue = queue.SimpleQueue()
    stop = threading.Event()

    def run() -> None:
        try:
            work(lambda report: reports.put((report, None)), lambda: stop.is_set() or unwanted())
            reports.put(None)
        except Stopped:
            reports.put(None)
        except BaseException as error:  # raised again below, where somebody can catch it
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
