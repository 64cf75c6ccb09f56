"""What a sweep found, as HTML: the recommendation, cost against score, and the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from markupsafe import Markup

from fastv.app.shared.sweep_chart import frontier, legend
from fastv.app.sweep.kr_map import kr_maps
from fastv.formatting import day
from fastv.paths import ASSETS
from fastv.presentation.html import render
from fastv.presentation.sweep.report import columns_of, setting_name

_RECORDED = ASSETS / "measured" / "sweeps" / "drawn-scenes-mini-7.json"


@cache
def recorded() -> Markup:
    """Before the first sweep: one that was recorded."""
    found = json.loads(_RECORDED.read_text(encoding="utf-8"))
    return result(found, recorded=True)


def result(found: Mapping[str, Any], *, recorded: bool = False) -> Markup:
    """A sweep, which may be unfinished.

    Parameters
    ----------
    found
        See ``fastv.sweep.analysis.summary``.
    recorded
        Whether it was not run on this page.
    """
    rows = found["rows"]
    chart = frontier(rows)
    return render(
        "app/sweep/result",
        sentence=(found["recommendation"] or {}).get("sentence", ""),
        chart=chart,
        legend=legend(rows) if chart else [],
        maps=kr_maps(rows),
        recorded=found if recorded else None,
        day=day(found["date"]) if recorded else "",
        columns=columns_of(rows),
        names=[setting_name(row) for row in rows],
        told=left_out(found),
    )


def left_out(found: Mapping[str, Any]) -> list[str]:
    """Rows of the data and questions that could not be asked, each with its reason."""
    return [
        *(f"{row['unit']} {row['line']}: {row['reason']}" for row in found["bad_rows"]),
        *(f"{one['picture']}, “{one['question']}”: {one['problem']}" for one in found["problems"]),
    ]
