"""How far a load is: bytes while files are fetched, a fraction while weights are read; and stopping it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from huggingface_hub.utils import _xet
from tqdm import tqdm
from transformers.utils.logging import set_tqdm_hook

from fastv.worker import Stopped


@dataclass(frozen=True)
class LoadProgress:
    """How far a load is.

    Parameters
    ----------
    stage
        "downloading" or "loading".
    fraction
        Of that stage, from 0 to 1.
    done_bytes, total_bytes
        Fetched so far and in all; 0 and 0 while loading.
    """

    stage: str
    fraction: float
    done_bytes: int = 0
    total_bytes: int = 0

    @property
    def sentence(self) -> str:
        """For people: "Downloading: 3.2 of 14.1 GB"."""
        if self.stage == "downloading":
            return f"Downloading: {self.done_bytes / 1e9:.1f} of {self.total_bytes / 1e9:.1f} GB"
        return f"Loading: {self.fraction:.0%}"


@dataclass(frozen=True)
class LoadObserver:
    """Reports how a load goes, and ends it when asked; with neither the libraries show their own progress bars.

    Parameters
    ----------
    report
        Called with a LoadProgress, from any thread.
    stopped
        Asked at every step whether to end with Stopped.
    """

    report: Callable[[LoadProgress], None] | None = None
    stopped: Callable[[], bool] | None = None

    @property
    def is_needed(self) -> bool:
        return self.report is not None or self.stopped is not None

    def check_stopped(self) -> None:
        """Raises Stopped when the load is no longer wanted."""
        if self.stopped and self.stopped():
            raise Stopped

    def step(self, stage: str, done: float, total: float) -> None:
        """Tells how far a stage is. Raises Stopped when the load is no longer wanted."""
        self.check_stopped()
        if self.report is None:
            return
        fraction = min(done / total, 1.0) if total else 1.0
        measured = (int(min(done, total)), int(total)) if stage == "downloading" else (0, 0)
        self.report(LoadProgress(stage, fraction, *measured))

    def download_bar(self, total_bytes: int) -> Any:
        """A class of progress bars for huggingface_hub, which shows nothing and reports the bytes it counts."""
        observer, furthest, lock = self, [0.0], threading.Lock()

        class Bar(tqdm):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs | {"file": io.StringIO(), "disable": False})

            def display(self, *args, **kwargs):
                return True

            def update(self, n=1):
                result = super().update(n)
                try:
                    if self.unit == "B":  # one bar counts what arrived, another what is written: the same bytes twice
                        with lock:
                            furthest[0] = max(furthest[0], self.n)
                            observer.step("downloading", furthest[0], total_bytes)
                    else:
                        observer.check_stopped()
                except Stopped:
                    _end_transfers()
                    raise
                return result

        return Bar

    @contextmanager
    def reading_weights(self) -> Iterator[None]:
        """Reports the weights that transformers reads in this block, by this thread."""
        if not self.is_needed:
            yield
            return
        thread, previous = threading.get_ident(), None

        def hook(factory: Callable, args: tuple, kwargs: dict):
            if kwargs.get("desc") == "Loading weights" and threading.get_ident() == thread:
                return self._counted(args[0])
            return previous(factory, args, kwargs) if previous else factory(*args, **kwargs)

        previous = set_tqdm_hook(hook)
        try:
            yield
        finally:
            set_tqdm_hook(previous)

    def _counted(self, items: Collection) -> Iterator:
        for number, item in enumerate(items):
            self.step("loading", number, len(items))
            yield item
        self.step("loading", 1, 1)


def _end_transfers() -> None:
    """Where files come through hf_xet, its threads do not heed what a progress bar raises."""
    abort = getattr(_xet, "abort_xet_session", None)
    if abort is not None:
        abort()
