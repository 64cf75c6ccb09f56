"""Everything that is known of a sweep as plain data: what ``--json`` prints, and what reports are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from fastv import __version__
from fastv.errors import InvalidInputError
from fastv.sweep.analysis.recommendation import LossMonitor, Recommendation
from fastv.sweep.analysis.table import PartRow, Row
from fastv.sweep.datasets.base import BadRow
from fastv.sweep.results import SampleResult


def recommendation_of(
    monitor: LossMonitor, in_order: Sequence[SampleResult], rows: Sequence[Row]
) -> Recommendation | None:
    """The recommendation by now; None for a measure that allows no guarantee.

    Parameters
    ----------
    monitor
        Of the sweep's settings.
    in_order
        See ``SweepRun.in_order``.
    rows
        Of the sweep's table.
    """
    try:
        monitor.look(in_order)
    except InvalidInputError:
        return None
    return monitor.recommend(rows)


def summary(
    model: str,
    results: Sequence[SampleResult],
    rows: Sequence[Row],
    parts: Sequence[PartRow],
    recommendation: Recommendation | None,
    *,
    score: str,
    bad_rows: Sequence[BadRow] = (),
    output: str | None = None,
    data: str | None = None,
    header: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """A sweep in JSON's types.

    Parameters
    ----------
    model, score
        What was asked, and the name of the measure.
    results, rows, parts, recommendation
        What came of it.
    bad_rows
        Rows of the data that were left out.
    output
        Where the records are.
    data
        The name of the data.
    header
        Of the records: tells dtype and machine.
    """
    return {
        "model": model,
        "date": datetime.now(UTC).date().isoformat(),
        "questions": len(results),
        "output": output,
        "version": __version__,
        "data": data,
        "dtype": header.get("dtype"),
        "answer_tokens": header.get("answer_tokens"),
        "machine": header.get("machine"),
        "score": score,
        "recommendation": recommendation.to_dict() if recommendation else None,
        "rows": [row.to_dict() for row in rows],
        "parts": [row.to_dict() for row in parts],
        "problems": [
            {"picture": str(one.sample.image), "question": one.sample.question, "problem": one.problem}
            for one in results
            if one.problem
        ],
        "bad_rows": [asdict(row) for row in bad_rows],
    }
