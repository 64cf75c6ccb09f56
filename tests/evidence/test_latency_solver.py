from __future__ import annotations

import pytest

from fastv.costs.solver import NotReachable
from fastv.errors import InvalidBudgetError
from fastv.evidence.latency_solver import TimeSolution, Unknown, solve_time
from fastv.evidence.measurements import parsed
from tests.support.recorded_runs import record

FOUND = parsed(record("mini-13"))  # its time falls straight with R: 0.08 s times (K + (8 - K)(1 - R)) / 8


def seconds(k: int, r: float) -> float:
    return 0.01 * (k + (8 - k) * (1 - r))


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("r", [0.1, 0.3, 0.55, 0.7, 0.88])
def test_the_time_is_met_to_a_token(k, r):
    found = solve_time(FOUND, seconds(k, r), k)
    assert isinstance(found, TimeSolution) and found.device == "a processor"
    assert 0 <= found.r - r < 1.01 / 576 and found.kept == round(576 * (1 - found.r))
    assert found.seconds == pytest.approx(seconds(k, found.r)) and found.seconds <= seconds(k, r) + 1e-12
    assert found.between == ((0.0, 0.5) if r < 0.5 else (0.5, 0.9))


def test_a_measured_point_is_its_own_answer_and_time_enough_needs_no_pruning():
    assert solve_time(FOUND, seconds(2, 0.5), 2).r == pytest.approx(0.5)
    assert solve_time(FOUND, 1.0, 2) == TimeSolution(2, 0.0, 576, 0.08, (0.0, 0.0), "a processor")


def test_beyond_what_was_measured_is_not_reachable():
    found = solve_time(FOUND, 0.9 * seconds(2, 0.9), 2)
    assert isinstance(found, NotReachable) and found.least == pytest.approx(seconds(2, 0.9))
    assert "R=90%" in found.reason and "1.11 times" in found.reason


def test_where_nothing_was_measured_nothing_is_known():
    for found, piece in (
        (solve_time(None, 1.0, 2), "not measured"),
        (solve_time(FOUND, 1.0, 3), "at K=3"),
        (solve_time(FOUND, 1.0, 2, device="A100"), "on a processor"),
    ):
        assert isinstance(found, Unknown) and piece in found.reason


def test_times_that_scatter_give_the_r_from_which_on_all_are_in_time():
    data = record("mini-13", rs=(0.25, 0.5, 0.75, 0.9))
    for point in data["points"]:
        if (point["k"], point["r"]) == (2, 0.5):
            point["seconds"] = [0.075] * 3  # slower than at R = 25%
    found = solve_time(parsed(data), seconds(2, 0.25), 2)
    assert found.between == (0.5, 0.75) and 0.5 < found.r < 0.75 and found.seconds <= seconds(2, 0.25)


@pytest.mark.parametrize("wrong", [0, -1, True, "1", None, float("nan"), float("inf")])
def test_a_time_is_above_nothing(wrong):
    with pytest.raises(InvalidBudgetError, match="above 0"):
        solve_time(FOUND, wrong, 2)
