"""What was measured over many questions, beside what one picture shows: over all, and over its own task. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from fastv.evidence.measurements import Measured, measured
from fastv.stats import Score


@dataclass(frozen=True)
class ManyQuestions:
    """Scores of one model without pruning and at the measured setting nearest to one that is asked about.

    Attributes
    ----------
    r : float
        The measured R; 0 is without pruning.
    before, after : Score
        Over all questions.
    task_before, task_after : Score
        Over those of the task.
    """

    r: float
    before: Score
    after: Score
    task_before: Score
    task_after: Score


def many_questions(model: str, method: str, k: int, r: float, task: str) -> ManyQuestions | None:
    """The scores nearest to R at this K and method; None where none were measured."""
    found = measured(model)
    if found is None:
        return None
    points = [found.unpruned, *(point for point in found.pruned if (point.k, point.method) == (k, method))]
    if len(points) < 2:
        return None
    point = min(points, key=lambda one: (abs(one.r - r), one.r))
    return ManyQuestions(
        point.r,
        found.score(found.unpruned),
        found.score(point),
        found.score(found.unpruned, task),
        found.score(point, task),
    )


def first_token_seconds(found: Measured, method: str, k: int, r: float) -> tuple[float, bool] | None:
    """Seconds to the first token at R, and whether that R was measured; else on the line between its neighbors.

    Beyond the largest measured R it is that one's. None where nothing was measured at this K and method.
    """
    points = sorted(
        {(0.0, found.seconds(found.unpruned))}
        | {(point.r, found.seconds(point)) for point in found.pruned if (point.k, point.method) == (k, method)}
    )
    if len(points) < 2:
        return None
    for at, seconds in points:
        if abs(at - r) < 1e-6:
            return seconds, True
    below, above = [one for one in points if one[0] < r][-1], next((one for one in points if one[0] > r), None)
    if above is None:
        return below[1], False
    share = (r - below[0]) / (above[0] - below[0])
    return below[1] + share * (above[1] - below[1]), False
