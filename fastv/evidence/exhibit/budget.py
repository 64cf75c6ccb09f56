"""The points of one budget: the prefill FLOPs of FastV at the paper's setting."""

from __future__ import annotations

from collections.abc import Collection

from fastv.evidence.method_records import REFERENCE_K, MethodPoint, MethodRecord
from fastv.stats import Change

R = 0.5


def point_at(record: MethodRecord, method: str) -> MethodPoint:
    """A method at that cost, cutting where FastV does if it has a choice, without proportional attention."""
    return next(
        point
        for point in record.at("flops", R)
        if point.method == method and point.k in (REFERENCE_K, None) and not point.proportional
    )


def change_since(
    record: MethodRecord, before: MethodPoint, after: MethodPoint, tasks: Collection[str] | None = None
) -> Change:
    """Between two points over the questions of some tasks, by default all; of two models asked the same, too."""
    counted = [tasks is None or task in tasks for task in record.tasks]
    marks = ([mark for mark, counts in zip(one.marks, counted, strict=True) if counts] for one in (before, after))
    return Change.of(*marks)
