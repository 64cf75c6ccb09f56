"""ZeroGPU: a GPU that is there for one call at a time. The whole measured pair is one call, so that its sides compare.

The call runs in a forked process: what goes in and comes out is pickled, models are inherited, and errors arrive
without their words. So models are loaded before the page is served, and problems travel as values. Imports neither
torch nor Gradio, since ``spaces`` has to be imported before both.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.errors import FastVError

if TYPE_CHECKING:
    from fastv.app.service.model_pool import ModelPool
    from fastv.app.service.request import Request

MODEL = "llava-1.5-7b"
# Guesses for a 7B in 16 bits on a GPU of that service, on the safe side; nothing here was run there.
_PREFILL_SECONDS, _TOKEN_SECONDS, _START_SECONDS = 0.5, 0.05, 15
_LEAST_SECONDS, _MOST_SECONDS = 20, 120


@dataclass(frozen=True)
class Problem:
    """The words of a FastVError on their way out of the GPU's process."""

    words: str


def is_zero(environment: Mapping[str, str]) -> bool:
    """Whether this is a Space with ZeroGPU."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def import_first(environment: Mapping[str, str]) -> None:
    """Imports ``spaces`` where it is needed; to be called before torch or Gradio are imported."""
    if is_zero(environment):
        importlib.import_module("spaces")


def estimate(wanted: Request, most_seconds: float | None = None) -> int:
    """Seconds of GPU to ask for: for both sides, their warm-up and their timed passes."""
    passes = 2 * (_number(wanted.warmup) + _number(wanted.repeats))
    seconds = _START_SECONDS + passes * (_PREFILL_SECONDS + _TOKEN_SECONDS * _number(wanted.max_new_tokens))
    return math.ceil(min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS, (most_seconds or math.inf) + _START_SECONDS))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


class ZeroGpu:
    """The way of a ``RunPolicy`` to begin a comparison there. The pool's models are those that were loaded at first."""

    def __init__(self) -> None:
        self.pool: ModelPool | None = None
        spaces = importlib.import_module("spaces")

        def on_gpu(wanted: Request, most_seconds: float | None) -> Iterator[Any]:
            yield from self._in_the_gpus_process(wanted, most_seconds)

        self._on_gpu = spaces.GPU(duration=estimate)(on_gpu)

    def ready(self, pool: ModelPool) -> None:
        """Loads all that will ever be used: what is not there before the first call cannot be had later."""
        for key in pool.entries:
            if key not in pool.unavailable:
                pool.load(key)
        self.pool = pool

    def begin(self, wanted: Request, *, seconds: float | None, unwanted: Callable[[], bool]) -> Iterator[Any]:
        """See ``RunPolicy``. Closing the iterator, or ``unwanted``, ends the call at its next step."""
        wanted.begin(self.pool)  # what is wrong with the request is said before any GPU is asked for
        return self._followed(wanted, seconds, unwanted)

    def _followed(self, wanted: Request, seconds: float | None, unwanted: Callable[[], bool]) -> Iterator[Any]:
        steps = self._on_gpu(wanted, seconds)
        try:
            for step in steps:
                if isinstance(step, Problem):
                    raise FastVError(step.words)
                yield step
                if unwanted():
                    return
        except Exception as error:
            # Gradio's own error class, which this module must not import, is how the service says what it refuses.
            if isinstance(error, FastVError) or not hasattr(error, "print_exception"):
                raise
            raise FastVError(f"The GPU could not be had, or not for long enough: {error}") from error
        finally:
            steps.close()

    def _in_the_gpus_process(self, wanted: Request, most_seconds: float | None) -> Iterator[Any]:
        try:
            yield from wanted.begin(self.pool, seconds=estimate(wanted, most_seconds) - _START_SECONDS)
        except FastVError as error:
            yield Problem(str(error))
