"""A sweep on the pool's models under the run policy: what is asked goes into a record file, which a later one goes on
with."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from fastv.inputs.scoring.registry import MEASURES
from fastv.pruning.config import PruningConfig
from fastv.sweep.datasets.base import Dataset
from fastv.worker import never

if TYPE_CHECKING:
    from fastv.sweep.analysis.recommendation import LossMonitor
    from fastv.sweep.estimate import Estimate
    from fastv.sweep.run import Step, SweepRun

ANSWER_TOKENS, TIMED = 32, 4
_SCORE = "exact"
_OFTEN_SECONDS = 1.0  # between two tables
_one_at_a_time = threading.Lock()  # a stopped sweep ends with what it is answering: the next one waits for it


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it is asked for.

    Attributes
    ----------
    model
        A key of the model pool.
    dataset
        The questions, whose pictures can be trusted: see ``fastv.app.sweep.questions``.
    configs, controls
        Beside no pruning.
    tolerance
        The largest mean loss accepted, a fraction.
    folder
        Where the record file is, one for each model.
    """

    model: str
    dataset: Dataset
    configs: tuple[PruningConfig, ...]
    controls: tuple[PruningConfig, ...]
    tolerance: float
    folder: Path


@dataclass(frozen=True)
class SweepState:
    """How far a sweep is.

    Attributes
    ----------
    step
        What is done.
    found
        The tables so far, see ``fastv.sweep.analysis.summary``; None while nothing is new enough.
    timed_out
        Whether the time limit ended it.
    """

    step: Step
    found: dict[str, Any] | None = None
    timed_out: bool = False


def estimate_sweep(request: SweepRequest, pool: ModelPool, policy: RunPolicy) -> Estimate:
    """How long it will take. Answers one question. Raises FastVError as ``run_sweep`` does."""
    from fastv.sweep.estimate import estimate  # imports torch: the page is up sooner

    policy.admit(policy.visitor())
    with _opened(request, pool, policy, never) as run:
        return estimate(run)


def run_sweep(
    request: SweepRequest, pool: ModelPool, policy: RunPolicy, *, unwanted: Callable[[], bool] = never
) -> Iterator[SweepState]:
    """Ask what the record file does not hold yet.

    Yields
    ------
    SweepState
        After each record, and at the end with the tables; nothing follows once it is ``unwanted``.

    Raises
    ------
    FastVError
        For a sweep that is invalid or over a limit, and where GPUs are attached to comparisons alone.
    """
    visitor, begun = policy.visitor(), time.monotonic()
    outcome, seconds = "stopped", policy.settings.run_seconds
    try:
        policy.admit(visitor)
        with _opened(request, pool, policy, unwanted) as run:
            monitor, shown_at, timed_out = _monitor(request), 0.0, False
            for step in run.steps():
                if unwanted():
                    return
                timed_out = bool(seconds) and time.monotonic() - begun > seconds
                if timed_out:
                    break
                found = None
                if step.answered and time.monotonic() - shown_at > _OFTEN_SECONDS:
                    found, shown_at = _found(request, run, monitor), time.monotonic()
                yield SweepState(step, found)
            outcome = "time was up" if timed_out else "done"
            yield SweepState(step, _found(request, run, monitor), timed_out)
    except FastVError:
        outcome = "refused"
        raise
    except Exception:
        outcome = "failed"
        raise
    finally:
        policy.log.write(
            who=policy.limiter.pseudonym(visitor),
            outcome=outcome,
            kind="sweep",
            model=request.model,
            seconds=round(time.monotonic() - begun, 3),
        )


@contextmanager
def _opened(
    request: SweepRequest, pool: ModelPool, policy: RunPolicy, unwanted: Callable[[], bool]
) -> Iterator[SweepRun]:
    from fastv.sweep.run import SweepRun
    from fastv.sweep.settings import SweepSettings

    if policy.execute is not None:
        raise FastVError("On this Space the GPU is attached for comparisons only: sweep with `fastv sweep`.")
    loaded = pool.load(request.model)
    while not _one_at_a_time.acquire(timeout=0.2):
        if unwanted():
            raise FastVError("Stopped.")
    try:
        tokens = min(ANSWER_TOKENS, policy.settings.answer_tokens)
        name = re.sub(r"[^A-Za-z0-9.]+", "-", request.model).strip("-")
        configs = [*request.configs, *request.controls]
        request.folder.mkdir(parents=True, exist_ok=True)  # old files of visitors are cleaned up with their folders
        with SweepRun(
            loaded,
            request.dataset.samples,
            configs,
            request.folder / f"{name}.jsonl",
            SweepSettings(answer_tokens=tokens, timed=TIMED),
        ) as run:
            yield run
    finally:
        _one_at_a_time.release()


def _monitor(request: SweepRequest) -> LossMonitor:
    from fastv.sweep.analysis.recommendation import LossMonitor

    return LossMonitor(request.configs, request.tolerance, MEASURES[_SCORE])


def _found(request: SweepRequest, run: SweepRun, monitor: LossMonitor) -> dict[str, Any]:
    from fastv.sweep.analysis.summary import recommendation_of, summary
    from fastv.sweep.analysis.table import part_table, table

    results, measure = run.results(), MEASURES[_SCORE]
    rows = table(results, request.configs, measure, request.controls)
    found = summary(
        request.model,
        results,
        rows,
        part_table(results, request.configs, measure),
        recommendation_of(monitor, run.in_order(), rows),
        score=_SCORE,
        bad_rows=request.dataset.bad_rows,
    )
    # Names alone: where files lie on the server is not for the page.
    problems = [{**one, "picture": Path(one["picture"]).name} for one in found["problems"]]
    return {**found, "problems": problems}
