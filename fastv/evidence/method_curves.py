"""What one method loses over the prefill that it costs, from the records of all methods; no torch."""

from __future__ import annotations

from dataclasses import dataclass

from fastv.evidence.measurements import all_measured
from fastv.evidence.method_records import (
    CONTROL,
    REFERENCE_K,
    SMALLER_PICTURE,
    MethodPoint,
    MethodRecord,
    method_records,
)
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Change

#: Methods that stand beside every other one.
REFERENCES = (CONTROL, SMALLER_PICTURE)


@dataclass(frozen=True)
class CurvePoint:
    """A measured point: its prefill FLOPs as a share of no pruning's (``exact``), and the change since no pruning."""

    point: MethodPoint
    share: float
    change: Change


@dataclass(frozen=True)
class MethodCurve:
    """The points of one method at one K, with or without proportional attention, cheapest first."""

    label: str
    points: tuple[CurvePoint, ...]


def measured_methods() -> tuple[str, ...]:
    """Names of the methods that were measured on any model, in the registry's order."""
    found = {point.method for record in method_records().values() for point in record.points}
    found |= {point.method for one in all_measured().values() for point in one.pruned}
    return tuple(name for name in METHODS if name in found)


def curves(record: MethodRecord, method: str) -> tuple[MethodCurve, ...]:
    """All curves of a method; a budget that was measured twice counts as it was measured last.

    Parameters
    ----------
    record
        Of one model.
    method : str
        A name in METHODS.

    Returns
    -------
    tuple of MethodCurve
        The one with the method's usual K and no option first; empty where nothing was measured.
    """
    latest: dict[tuple[str | None, int | None, bool], dict[tuple[str, float], MethodPoint]] = {}
    for point in record.points:
        if point.method == method:
            latest.setdefault(point.kind, {})[point.equal, point.reference_r] = point
    usual = REFERENCE_K if METHODS[method].takes_k else METHODS[method].default_k
    kinds = sorted(latest, key=lambda kind: kind[1] != usual or kind[2])
    return tuple(
        MethodCurve(
            next(iter(latest[kind].values())).label,
            tuple(sorted((_placed(record, one) for one in latest[kind].values()), key=lambda one: one.share)),
        )
        for kind in kinds
    )


def reference_curves(record: MethodRecord, beside: str) -> dict[str, MethodCurve]:
    """The first curve of random dropping and of the smaller picture, by method; not of the method they stand beside."""
    found = {name: curves(record, name) for name in REFERENCES if name != beside}
    return {name: one[0] for name, one in found.items() if one}


def _placed(record: MethodRecord, point: MethodPoint) -> CurvePoint:
    return CurvePoint(
        point, point.prefill_flops / record.unpruned.prefill_flops, Change.of(record.unpruned.marks, point.marks)
    )
