"""The plane of all (K, R): what each point scores, as published and as measured."""

from __future__ import annotations

from fastv.costs.cost_map import Grid
from fastv.evidence import published
from fastv.evidence.measurements import Measured
from fastv.pruning.config import chosen_by


def quality_grid(model: str, benchmark: str) -> Grid:
    """The scores that the paper's Table 1 has for a model, one of ``published.TABLE1_BENCHMARKS``."""
    scores = {
        (row.k, row.r): getattr(row, benchmark)
        for row in published.table1()
        if row.model == model and row.k is not None
    }
    rows, columns = (tuple(sorted(set(axis))) for axis in zip(*scores)) if scores else ((), ())
    return Grid(rows, columns, tuple(tuple(scores.get((k, r)) for r in columns) for k in rows))


def measured_grid(found: Measured, method: str = "fastv") -> Grid:
    """The share of questions answered right with one method, or what it comes to at K = 0, see ``chosen_by``.

    R that were measured at one K alone have no column.
    """
    shares = {
        (point.k, point.r): found.score(point).share
        for point in found.pruned
        if point.k is not None and point.method == chosen_by(method, point.k)
    }
    at = [r for _, r in shares]
    rows, columns = sorted({k for k, _ in shares}), sorted({r for r in at if at.count(r) > 1})
    return Grid(tuple(rows), tuple(columns), tuple(tuple(shares.get((k, r)) for r in columns) for k in rows))
