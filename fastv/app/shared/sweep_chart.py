"""The chart of a sweep: cost against score, and what its marks mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from fastv.app.shared.scatter import Curve, Dot, scatter
from fastv.formatting import percent
from fastv.presentation.html import render
from fastv.presentation.sweep.report import setting_name
from fastv.pruning.methods.registry import METHODS

Row = Mapping[str, Any]
_SHAPES = 3  # of marks, see explorer.css


def sweep_pane(found: Mapping[str, Any]) -> Markup:
    """The latest sweep of the visit, for a tab that does not run sweeps; empty where it has no chart.

    Parameters
    ----------
    found
        See ``fastv.sweep.analysis.summary``.
    """
    chart = frontier(found["rows"])
    if chart is None:
        return Markup()
    return render(
        "app/shared/sweep_pane",
        chart=chart,
        legend=legend(found["rows"]),
        model=found["model"],
        questions=found["questions"],
        sentence=(found["recommendation"] or {}).get("sentence", ""),
    )


def frontier(rows: Sequence[Row]) -> Markup | None:
    """FLOPs against score, or against agreement where no answer is known; None where FLOPs are not known."""
    scored = all(row["right"] for row in rows)
    title = "Right answers, %" if scored else "Same answer as without pruning, %"
    dots, marks = {}, _marks(rows)
    for number, row in enumerate(rows):
        share = 1.0 if row["method"] is None else row["flops_ratio"]
        if share is not None:
            mark = "baseline" if row["method"] is None else f"fastv {marks.get(row['method'], '')}".strip()
            dots[number] = _dot(row, share, row["right"] if scored else row["same_answer"], mark)
    if len(dots) < 2:
        return None
    lines: dict[tuple[str, int], list[Dot]] = {}
    for number, dot in dots.items():
        if (method := rows[number]["method"]) is not None:
            lines.setdefault((method, rows[number]["k"]), []).append(dot)
    curves = [
        Curve(f"pruned method-{method}", sorted([*line, *_unpruned(rows, dots)], key=lambda dot: dot.x))
        for (method, _), line in lines.items()
    ]
    return scatter(
        list(dots.values()),
        curves,
        title="Cost against score",
        x_title="FLOPs, % of those without pruning",
        y_title=title,
    )


def _unpruned(rows: Sequence[Row], dots: Mapping[int, Dot]) -> list[Dot]:
    return [dot for number, dot in dots.items() if rows[number]["method"] is None]


def _marks(rows: Sequence[Row]) -> dict[str, str]:
    """Method -> the classes of its marks: its own fill, and one shape after the other, since fills are much alike."""
    used = dict.fromkeys(row["method"] for row in rows if row["method"] in METHODS)
    return {name: f"method-{name} shape-{number % _SHAPES}" for number, name in enumerate(used)}


def _dot(row: Row, share: float, score: Mapping[str, float], mark: str) -> Dot:
    interval = f"95% CI {percent(score['low'])} to {percent(score['high'])}"
    words = f"{setting_name(row)}: {percent(share)} of the FLOPs; {percent(score['share'])} ({interval})"
    return Dot(
        100 * share,
        100 * score["share"],
        mark,
        words,
        "",
        row["k"] if row["method"] in METHODS and METHODS[row["method"]].takes_k else None,
        row["r"],
        (100 * score["low"], 100 * score["high"]),
    )


def legend(rows: Sequence[Row]) -> list[dict[str, str]]:
    return [
        {"kind": "key-baseline", "text": "without pruning"},
        *({"kind": f"key-method {mark}", "text": METHODS[name].label} for name, mark in _marks(rows).items()),
        {"kind": "key-reach", "text": "95% CI"},
    ]
