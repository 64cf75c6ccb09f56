"""A whole run as JSON-compatible values, for scripts."""

from __future__ import annotations

from typing import Any

from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import Request
from fastv.app.service.run import Step, TimedOut, run
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from fastv.measurement.results import Comparison


def run_as_json(request: Request, pool: ModelPool, policy: RunPolicy) -> dict[str, Any]:
    """Runs a request to its end. Raises FastVError, also for a run that ended without a comparison."""
    last: Step | None = None
    for last in run(request, pool, policy):  # noqa: B007
        pass
    if isinstance(last, Comparison):
        return last.to_dict()
    raise FastVError(last.reason if isinstance(last, TimedOut) else "The run was stopped.")
