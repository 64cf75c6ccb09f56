"""ZeroGPU: a GPU that is attached for one call at a time. Both sides are measured in one call, so that they compare.

The call runs in a forked process: arguments and results are pickled, models are inherited, and errors arrive without
their message. So all models are loaded before the page is served, and problems travel as values. Imports neither torch
nor Gradio, since ``spaces`` must be imported before both.
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
# Conservative guesses for a 7B model in 16 bits on such a GPU; not measured there.
_PREFILL_SECONDS, _TOKEN_SECONDS, _START_SECONDS = 0.5, 0.05, 15
_LEAST_SECONDS, _MOST_SECONDS = 20, 120


@dataclass(frozen=True)
class Problem:
    """The message of a FastVError on its way out of the GPU's process."""

    message: str


def is_zero(environment: Mapping[str, str]) -> bool:
    """Whether this is a Space with ZeroGPU."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def import_first(environment: Mapping[str, str]) -> None:
    """Imports ``spaces`` where it is needed; call it before torch or Gradio are imported."""
    if is_zero(environment):
        importlib.import_module("spaces")


def estimate(request: Request, most_seconds: float | None = None) -> int:
    """Seconds of GPU to ask for: both sides with their warm-up and timed passes.

    Parameters
    ----------
    most_seconds
        The time limit of a run, if any.
    """
    passes = 2 * (_number(request.warmup) + _number(request.repeats))
    seconds = _START_SECONDS + passes * (_PREFILL_SECONDS + _TOKEN_SECONDS * _number(request.max_new_tokens))
    return math.ceil(min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS, (most_seconds or math.inf) + _START_SECONDS))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


class ZeroGpu:
    """Runs comparisons in the GPU's process, on the models that were in the pool when it was prepared."""

    def __init__(self) -> None:
        self._pool: ModelPool | None = None  # inherited by the forked process: a pool cannot be pickled
        spaces = importlib.import_module("spaces")

        def on_gpu(request: Request, most_seconds: float | None) -> Iterator[Any]:
            yield from self._in_gpu_process(request, most_seconds)

        self._on_gpu = spaces.GPU(duration=estimate)(on_gpu)

    def prepare(self, pool: ModelPool) -> None:
        """Loads all models that are offered: the GPU's process cannot load any later."""
        for key in pool.entries:
            if key not in pool.unavailable:
                pool.load(key)
        self._pool = pool

    def execute(
        self, request: Request, pool: ModelPool, *, seconds: float | None, unwanted: Callable[[], bool]
    ) -> Iterator[Any]:
        """See ``run_policy.Executor``. Closing the iterator, or ``unwanted``, ends the call at its next step."""
        from fastv.app.service import run  # imports torch

        run.start_comparison(request, pool)  # raises for an invalid request before a GPU is asked for
        return self._follow(request, seconds, unwanted)

    def _follow(self, request: Request, seconds: float | None, unwanted: Callable[[], bool]) -> Iterator[Any]:
        steps = self._on_gpu(request, seconds)
        try:
            for step in steps:
                if isinstance(step, Problem):
                    raise FastVError(step.message)
                yield step
                if unwanted():
                    return
        except Exception as error:
            # The service reports a refusal as Gradio's own error class, which this module must not import.
            if isinstance(error, FastVError) or not hasattr(error, "print_exception"):
                raise
            raise FastVError(f"No GPU was available for the time needed: {error}") from error
        finally:
            steps.close()

    def _in_gpu_process(self, request: Request, most_seconds: float | None) -> Iterator[Any]:
        from fastv.app.service import run

        assert self._pool is not None, "prepare() comes first"
        try:
            yield from run.start_comparison(
                request, self._pool, seconds=estimate(request, most_seconds) - _START_SECONDS
            )
        except FastVError as error:
            yield Problem(str(error))
