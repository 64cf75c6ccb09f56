"""As fast as a smaller model, by published times: interpolated between the published R, and only where both were
timed.
"""

from __future__ import annotations

import pytest

from fastv.costs.solver import NotReachable
from fastv.evidence import published_latency
from fastv.evidence.latency_solver import TimeSolution
from fastv.evidence.published import LatencyRow, latency
from fastv.evidence.published_latency import published_times


def row(model: str, k: int | None, r: float, seconds: float, source: str = "a", device: str = "d") -> LatencyRow:
    return LatencyRow(source, device, model, "fp16", k, r, 80.0, seconds, 20.0)


@pytest.fixture
def rows(monkeypatch):
    """Replaces the published rows."""

    def replace(*rows: LatencyRow) -> None:
        monkeypatch.setattr(published_latency, "latency", lambda: rows)

    return replace


def test_the_paper_s_pair_meets_between_two_published_points():
    found = published_times("llava-1.5-13b", "llava-1.5-7b", 576)
    where = (found.source, found.device, found.precision)
    same = [one for one in latency() if (one.source, one.device, one.precision) == where]
    times = {(one.model, one.k, one.r): one.first_token_seconds for one in same}
    slow, fast = times["llava-1.5-13b", 2, 0.5], times["llava-1.5-13b", 2, 0.75]
    target = found.reference.first_token_seconds
    assert slow > target > fast
    assert isinstance(found.solution, TimeSolution)
    assert found.solution.r == pytest.approx(0.5 + 0.25 * (slow - target) / (slow - fast), abs=1 / 576)
    assert [one.r for one in found.neighbors] == [0.5, 0.75]


def test_the_k_asked_for_is_taken_where_it_was_timed(rows):
    rows(
        row("small", None, 0, 1.0),
        row("large", None, 0, 2.0),
        row("large", 2, 0.5, 1.5),
        row("large", 2, 0.9, 0.9),
        row("large", 3, 0.5, 0.8),
    )
    assert published_times("large", "small", 100, 3).solution.k == 3
    assert published_times("large", "small", 100, 7).solution.k == 2


def test_times_of_different_devices_are_not_mixed(rows):
    rows(row("small", None, 0, 1.0, device="one"), row("large", None, 0, 2.0), row("large", 2, 0.5, 0.5))
    assert published_times("large", "small", 100) is None
    assert published_times("nobody", "small", 100) is None


def test_a_target_below_all_times_is_not_reachable(rows):
    rows(row("small", None, 0, 0.1), row("large", None, 0, 2.0), row("large", 2, 0.5, 1.5))
    found = published_times("large", "small", 100)
    assert isinstance(found.solution, NotReachable)
    assert len(found.neighbors) == 2
