"""What is known of the quality of two sides of a comparison, beside each other, in a sentence. No torch."""

from __future__ import annotations

from typing import Any, Protocol

from fastv.evidence.known_quality import known_quality
from fastv.evidence.measurements import Measured, MeasuredPoint, all_measured, duels
from fastv.evidence.method_records import MethodPoint, MethodRecord, method_record
from fastv.formatting import budget, percent, points
from fastv.pruning.config import chosen_by
from fastv.pruning.methods.registry import takes_k
from fastv.stats import Change, Score

_NEAR = 0.01  # of R: a few visual tokens
_NEAR_EQUAL_COST = 0.05  # of R: pairs of equal cost were measured at the R of their own prompts
_WITH_OPTIONS = "What options of a method do to the quality was not measured; one question says little about it."
_UNKNOWN = "The difference in quality between these two sides was not measured; one question says little about it."


class ComparedSide(Protocol):
    """A model and how it is pruned; ``k``, ``r`` and ``method`` are None without pruning.

    ``options`` are those of the method that are not at their defaults.
    """

    @property
    def model(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def k(self) -> int | None: ...
    @property
    def r(self) -> float | None: ...
    @property
    def method(self) -> str | None: ...
    @property
    def options(self) -> dict[str, Any]: ...


def quality_of_sides(candidate: ComparedSide, baseline: ComparedSide) -> str:
    """What was measured or published of the candidate beside the baseline.

    Parameters
    ----------
    candidate, baseline
        Both sides, each a model with its pruning.

    Returns
    -------
    str
        One sentence, which says so where nothing is known; empty where the candidate is what the baseline is.
    """
    if candidate.model == baseline.model and baseline.k is None and not candidate.options:
        return known_quality(candidate.model, candidate.k, candidate.r or 0.0, candidate.method)
    if _settings(candidate) == _settings(baseline):
        return ""
    if candidate.options or baseline.options:
        return _WITH_OPTIONS
    for records, near in ((duels(), _NEAR_EQUAL_COST), (all_measured(), _NEAR)):
        if (said := _measured(candidate, baseline, records, near)) is not None:
            return said
    return _of_methods(candidate, baseline) or _UNKNOWN


def _settings(side: ComparedSide) -> tuple[Any, ...]:
    return side.model, side.k, side.r, side.method, side.options


def _measured(candidate: ComparedSide, baseline: ComparedSide, records: dict[str, Measured], near: float) -> str | None:
    first, second = records.get(candidate.model), records.get(baseline.model)
    if first is None or second is None or first.tasks != second.tasks:
        return None
    point, other = _nearest(first, candidate, near), _nearest(second, baseline, near)
    if point is None or other is None:
        return None
    after, before, change = first.score(point), second.score(other), first.change(point, since=other)
    return _said(after, before, change, _name(candidate, point), _name(baseline, other))


def _of_methods(candidate: ComparedSide, baseline: ComparedSide) -> str | None:
    """Of one model, at settings of any method that were measured on the same questions."""
    record = method_record(candidate.model) if candidate.model == baseline.model else None
    point, other = (None if record is None else _of_method(record, side) for side in (candidate, baseline))
    if point is None or other is None:
        return None
    after, before, change = Score.of(point.marks), Score.of(other.marks), Change.of(other.marks, point.marks)
    return _said(after, before, change, _name(candidate, point), _name(baseline, other))


def _of_method(record: MethodRecord, side: ComparedSide) -> MethodPoint | None:
    if side.k is None or side.method is None or not side.r:
        return record.unpruned
    return record.near(chosen_by(side.method, side.k), side.k, side.r, _NEAR)


def _said(after: Score, before: Score, change: Change, first: str, second: str) -> str:
    return (
        f"Of {after.asked:,} questions about drawn scenes, {first} answers {percent(after.share)} "
        f"correctly, and {second} {percent(before.share)}: {points(change.share)} points (95% CI "
        f"{points(change.low)} to {points(change.high)})."
    )


def _nearest(record: Measured, side: ComparedSide, near: float) -> MeasuredPoint | None:
    if side.k is None or not side.r:
        return record.unpruned
    method = side.method and chosen_by(side.method, side.k)
    found = [
        point
        for point in record.pruned
        if (point.k, point.method) == (side.k, method) and abs(point.r - side.r) <= near
    ]
    return min(found, key=lambda point: abs(point.r - (side.r or 0.0)), default=None)


def _name(side: ComparedSide, point: MeasuredPoint | MethodPoint) -> str:
    """The side at the setting that was measured, which can be a few tokens beside the one that is asked about."""
    if point.k is None:
        return f"{side.name} without pruning"
    how = "" if point.method == "fastv" else f", method {point.method}"
    return f"{side.name} at {budget(point.k if takes_k(point.method) else None, point.r)}{how}"
