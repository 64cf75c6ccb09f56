"""Runs a request on the pool's models under the run policy."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastv.app.hosting import malloc
from fastv.app.hosting.gradio_adapter import disconnected
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSides, Request
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from fastv.measurement.results import Comparison, Progress, Side
from fastv.worker import never

_LONGEST_LOG_FIELD = 2_000  # characters: scripts can send anything


@dataclass(frozen=True)
class TimedOut:
    """The last step of a run that reached its time limit before both sides were timed: texts, but no numbers."""

    baseline_text: str
    fastv_text: str
    reason: str = (
        "Time limit reached. The answers are incomplete and no timings were recorded; please ask for a shorter answer."
    )


Step = Progress | Comparison | TimedOut


def run(request: Request, pool: ModelPool, policy: RunPolicy) -> Iterator[Step]:
    """Checks a request, then runs it in the background.

    Yields
    ------
    Progress
        All along.
    Comparison
        At the end, unless the asker disconnected (then nothing follows) or the time limit was reached.
    TimedOut
        At the end, where the time limit was reached before both sides were timed.

    Raises
    ------
    FastVError
        At once, for a request that is invalid or over a limit.
    """
    request = replace(request, sides=_named(request.sides, pool))
    visitor = policy.visitor()
    record = _RunRecord(request, policy, policy.limiter.pseudonym(visitor), disconnected())
    try:
        policy.admit(visitor)
        execute = policy.execute or start_comparison
        steps = execute(
            policy.checked(request), pool, seconds=policy.settings.run_seconds or None, unwanted=record.is_unwanted
        )
    except Exception as error:
        record.write("refused" if isinstance(error, FastVError) else "failed")
        raise
    return record.follow(steps)


def _named(sides: ChosenSides, pool: ModelPool) -> ChosenSides:
    """The sides with the default model's key where none was given."""
    candidate, baseline = (
        side if side.model is not None else replace(side, model=pool.default)
        for side in (sides.candidate, sides.baseline)
    )
    return ChosenSides(candidate, baseline)


def start_comparison(
    request: Request, pool: ModelPool, *, seconds: float | None = None, unwanted: Callable[[], bool] = never
) -> Iterator[Progress | Comparison]:
    """Loads both models if necessary and starts the comparison in this process.

    ``request.media`` is opened already; ``seconds`` and ``unwanted`` are those of
    :func:`fastv.measurement.compare.compare`.
    """
    from fastv.measurement.compare import RunSettings, compare  # imports torch: the page is up sooner

    sides = request.sides
    loaded, other = pool.load_pair(*sides.models)
    return compare(
        Side(loaded, sides.candidate.pruning),
        request.media,
        request.question,
        baseline=Side(other, sides.baseline.pruning),
        settings=RunSettings(request.max_new_tokens, request.repeats, request.warmup, seconds, request.more_when_busy),
        unwanted=unwanted,
    )


class _RunRecord:
    """One run: its clock, whether its asker is still connected, and its line in the log."""

    def __init__(self, request: Request, policy: RunPolicy, visitor: str, is_unwanted: Callable[[], bool]):
        self.request, self.policy, self.visitor, self.is_unwanted = request, policy, visitor, is_unwanted
        self.id, self.asked_at = secrets.token_hex(6), time.monotonic()
        self.begun_at: float | None = None

    def follow(self, steps: Iterator[Any]) -> Iterator[Step]:
        last: Step | None = None
        outcome = "stopped"
        try:
            for step in steps:
                if self.begun_at is None and getattr(step, "stage", None) != "waiting":
                    self.begun_at = time.monotonic()
                last = step
                if isinstance(step, Comparison):
                    outcome = "done"  # set before the yield: the consumer may not come back for more
                yield step
            if isinstance(last, Progress) and not self.is_unwanted():
                outcome = "time was up"
                last = TimedOut(last.baseline_text, last.fastv_text)
                yield last
        except GeneratorExit:
            if (close := getattr(steps, "close", None)) is not None:
                close()
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            self.write(outcome, last)
            malloc.trim()

    def write(self, outcome: str, last: Step | None = None) -> None:
        """Writes the run's line to the log."""
        request, now = self.request, time.monotonic()
        pruning = request.sides.candidate.pruning
        done = last if isinstance(last, Comparison) else None
        facts: dict[str, Any] = {
            "run": self.id,
            "who": self.visitor,
            "outcome": outcome,
            "model": request.sides.candidate.model,
            "k": pruning and pruning.k,
            "r": pruning and pruning.r,
            "method": pruning and pruning.method,
            "repeats": done.repeats if done else request.repeats,
            "tokens": [done.baseline.answer_tokens, done.fastv.answer_tokens] if done else None,
            "waited_seconds": round((self.begun_at or now) - self.asked_at, 3),
            "seconds": round(now - self.begun_at, 3) if self.begun_at else 0.0,
        }
        if self.policy.settings.log_text:
            facts["question"] = request.question
            if last is not None:
                facts["answers"] = _answers(last)
        self.policy.log.write(**{name: _shortened(fact) for name, fact in facts.items()})


def _answers(step: Step) -> list[str]:
    if isinstance(step, Comparison):
        return [step.baseline.answer, step.fastv.answer]
    return [step.baseline_text, step.fastv_text]


def _shortened(fact: Any) -> Any:
    return fact if fact is None or isinstance(fact, (int, float, list)) else str(fact)[:_LONGEST_LOG_FIELD]
