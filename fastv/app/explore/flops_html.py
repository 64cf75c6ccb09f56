"""Where the FLOPs of a prompt and its answer go, as HTML."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fastv.app.explore.state import ExploreSettings
from fastv.app.shared.stacked_bars import stacked_bars
from fastv.costs.cost_map import breakdown
from fastv.formatting import FLOPS, budget, change, number, unit_for
from fastv.presentation.html import render


def flops_pane(chosen: ExploreSettings) -> Markup:
    """Two stacked bars, and a table with a row for each part of the model."""
    parts = breakdown(chosen.shape, chosen.workload, chosen.k, chosen.r)
    before, after = sum(part.baseline_flops for part in parts), sum(part.fastv_flops for part in parts)
    unit = unit_for([before, after], FLOPS)
    bars = stacked_bars(
        [(part.name, part.baseline_flops, part.fastv_flops) for part in parts],
        ("Without FastV", f"With FastV, {budget(chosen.k, chosen.r)}"),
    )
    rows = [
        _row(part.name, part.baseline_flops, part.fastv_flops, unit.size, index) for index, part in enumerate(parts)
    ]
    return render(
        "app/explore/flops",
        bars=bars,
        unit=unit.name,
        answer_tokens=chosen.workload.answer_tokens,
        rows=[*rows, _row("All", before, after, unit.size, None)],
    )


def _row(name: str, before: float, after: float, unit: float, piece: int | None) -> dict[str, Any]:
    """piece: which piece of the bars it is, None for the sum."""
    words = change(before, after) or ("–" if not before else "the same")
    return {
        "name": name,
        "piece": piece,
        "before": _in_unit(before / unit),
        "after": _in_unit(after / unit),
        "change": words,
    }


def _in_unit(value: float) -> str:
    if not value:
        return "0"
    return "<0.001" if value < 0.0005 else number(value)
