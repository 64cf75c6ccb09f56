"""Every method at one cost on a miniature, as a table with a chart in it."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fastv.app.shared.deep_link import Link
from fastv.evidence.method_records import (
    CONTROL,
    GROUPS,
    REFERENCE_K,
    SMALLER_PICTURE,
    MethodRecord,
    MethodRow,
    method_records,
)
from fastv.presentation.html import render

ALL = "all"
_FEW, _FAR = 8, 2.0  # one row in so many may stand at the edge, where it loses so many times what the next one does
_MARGIN = 0.06  # of the chart's width, left and right of the widest interval


def question_choices() -> list[tuple[str, str]]:
    """(name, key) of the questions that may count: all, a group, or a task."""
    groups = [(f"{name[:1].upper()}{name[1:]}", name) for name in GROUPS]
    tasks = [(f"Task: {task}", task) for tasks in GROUPS.values() if len(tasks) > 1 for task in tasks]
    return [("All tasks", ALL), *groups, *tasks]


def methods_pane(model: str, equal: str, r: float, questions: str) -> Markup:
    """The table of one budget; empty where nothing was measured of the model.

    Parameters
    ----------
    model
        A key of ``method_records``.
    equal, r
        As ``MethodRecord.at`` takes them.
    questions
        A key of ``question_choices``.
    """
    record = method_records().get(model)
    if record is None:
        return Markup()
    tasks = None if questions == ALL else GROUPS.get(questions, (questions,))
    rows = record.table(equal, r, tasks)
    if not rows:
        return render("app/explore/methods", rows=[], r=r, equal=equal)
    scale = _Scale(rows)
    return render(
        "app/explore/methods",
        rows=[_row(model, record, row, scale) for row in rows],
        of_captions=tasks == GROUPS["captions"],
        lines=_lines(rows, scale),
        zero=scale.at(0.0),
        r=r,
        equal=equal,
        k=REFERENCE_K,
        tokens=record.tokens_of(r),
        visual_tokens=record.visual_tokens,
        asked=rows[0].score.asked,
        unpruned=record.unpruned_score(tasks),
        unpruned_f1=record.unpruned.caption_f1,
        timed=record.timed_on,
        command=record.command,
        dtype=record.dtype,
    )


class _Scale:
    """Places of changes on the chart, in percent of its width.

    A few rows that lose far more than the others would leave these no room: they stand at the edge.
    """

    def __init__(self, rows: list[MethodRow]) -> None:
        lows = sorted(row.change.low for row in rows)
        self.low = min(0.0, max(lows[0], _FAR * lows[len(lows) // _FEW]))
        self.span = max(0.0, *(row.change.high for row in rows)) - self.low or 1.0

    def at(self, share: float) -> float:
        return max(0.0, 100 * (_MARGIN + (1 - 2 * _MARGIN) * (share - self.low) / self.span))

    def is_beyond(self, share: float) -> bool:
        return share < self.low


def _row(model: str, record: MethodRecord, row: MethodRow, scale: _Scale) -> dict[str, Any]:
    point = row.point
    options = "proportional" if point.proportional else None
    tried = Link(model=model, k=point.k, r=round(100 * point.r, 1), method=point.method, options=options)
    return {
        "label": point.label,
        "link": f"?{tried.query}",
        "reference": point.method in (CONTROL, SMALLER_PICTURE),
        "kept": point.kept,
        "average": point.average_tokens,
        "flops": point.prefill_flops / record.unpruned.prefill_flops,
        "seconds": point.seconds,
        "own": point.own_seconds,
        "score": row.score,
        "change": row.change,
        "f1": point.caption_f1,
        "verdict": row.verdict if row.since_control else "reference",
        "low": scale.at(row.change.low),
        "high": scale.at(row.change.high),
        "middle": scale.at(row.change.share),
        "is_beyond": scale.is_beyond(row.change.share),
    }


def _lines(rows: list[MethodRow], scale: _Scale) -> list[dict[str, Any]]:
    """Where the reference lines stand: random dropping, and the smaller picture."""
    found = []
    for method in (CONTROL, SMALLER_PICTURE):
        row = next((row for row in rows if row.point.method == method and row.point.k in (REFERENCE_K, 0)), None)
        if row is not None:
            found.append(
                {
                    "method": method,
                    "label": row.point.label,
                    "at": scale.at(row.change.share),
                    "share": row.change.share,
                }
            )
    return found
