"""Scores beside one picture are those of the nearest measured setting; times lie between measured ones."""

from __future__ import annotations

import pytest

from fastv.evidence.many_questions import first_token_seconds, many_questions
from fastv.evidence.measurements import measured

FOUND = measured("mini-7")


@pytest.mark.parametrize("method", ["fastv", "random"])
@pytest.mark.parametrize("r, near", [(0.5, 0.5), (0.45, 0.5), (0.95, 0.9), (0.2, 0.25)])
def test_scores_are_of_the_nearest_measured_setting(method, r, near):
    found, point = many_questions("mini-7", method, 2, r, "describe"), FOUND.point(2, near, method)
    assert found.r == near and found.after == FOUND.score(point) and found.before == FOUND.score(FOUND.unpruned)
    assert found.task_after == FOUND.score(point, "describe") and 0 < found.task_after.asked < found.after.asked


def test_with_little_dropped_they_are_those_without_pruning_and_elsewhere_unknown():
    found = many_questions("mini-7", "fastv", 2, 0.1, "describe")
    assert found.r == 0 and found.after == found.before and found.task_after == found.task_before
    assert many_questions("mini-7", "fastv", 6, 0.5, "describe") is None
    assert many_questions("llava-1.5-7b", "fastv", 2, 0.5, "describe") is None


def test_times_are_measured_or_on_the_line_between_two_measured_ones():
    low, high = (FOUND.seconds(FOUND.point(2, r)) for r in (0.5, 0.75))
    assert first_token_seconds(FOUND, "fastv", 2, 0.5) == (low, True)
    between, is_measured = first_token_seconds(FOUND, "fastv", 2, 0.7)
    assert between == pytest.approx(low + 0.8 * (high - low)) and not is_measured
    assert first_token_seconds(FOUND, "fastv", 2, 0.95) == (FOUND.seconds(FOUND.point(2, 0.9)), False)
    assert first_token_seconds(FOUND, "fastv", 2, 0.0) == (FOUND.seconds(FOUND.unpruned), True)
    assert first_token_seconds(FOUND, "fastv", 7, 0.5) is None
