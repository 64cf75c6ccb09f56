"""The points of one budget: the prefill FLOPs of FastV at the paper's setting."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fastv.evidence.exhibit.table import name
from fastv.evidence.group_records import GroupRecords
from fastv.evidence.method_records import GROUPS, REFERENCE_K, MethodPoint, MethodRecord
from fastv.stats import Change

R = 0.5


def point_at(record: MethodRecord, method: str) -> MethodPoint:
    """A method at that cost, cutting where FastV does if it has a choice, without proportional attention."""
    return next(
        point
        for point in record.at("flops", R)
        if point.method == method and point.k in (REFERENCE_K, None) and not point.proportional
    )


def asked_most(record: MethodRecord, groups: GroupRecords, group: str, *methods: str) -> MethodRecord:
    """The record with the most questions of a group in which all these methods were measured at that cost."""
    alone = groups.get((record.model, group))
    measured = {point.method for point in alone.at("flops", R)} if alone else set()
    return alone if alone is not None and measured >= set(methods) else record


def asked_alone(records: Sequence[MethodRecord], groups: GroupRecords) -> str:
    """How many questions of their own the groups have, as a sentence that goes on after another; empty if none has."""
    models = [record.model for record in records]
    counts = {(name(model), group): len(record.tasks) for (model, group), record in groups.items() if model in models}
    if not counts:
        return ""
    if len(counts) == len(models) * len(GROUPS) and len(set(counts.values())) == 1:
        found = f"{min(counts.values()):,} each"
    else:
        found = ", ".join(f"{group} of {model} {count:,}" for (model, group), count in counts.items())
    return f" Groups have questions of their own, which count where a method was measured on them: {found}."


def change_since(
    record: MethodRecord, before: MethodPoint, after: MethodPoint, tasks: Collection[str] | None = None
) -> Change:
    """Between two points over the questions of some tasks, by default all; of two models asked the same, too."""
    counted = [tasks is None or task in tasks for task in record.tasks]
    marks = ([mark for mark, counts in zip(one.marks, counted, strict=True) if counts] for one in (before, after))
    return Change.of(*marks)


def commands(records: Sequence[MethodRecord], groups: GroupRecords) -> tuple[str, ...]:
    """That made the records of some models and of their groups."""
    models = [record.model for record in records]
    alone = [record.command for (model, _), record in groups.items() if model in models]
    return (*(record.command for record in records), *alone)
