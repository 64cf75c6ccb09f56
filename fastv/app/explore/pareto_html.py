"""Cost against quality, published or measured here, and what the measurements say, as HTML."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fastv.app.explore.state import ExploreSettings, name_of
from fastv.app.shared.plots import Dot, scatter
from fastv.evidence import pareto
from fastv.evidence.findings import SCOPE, findings
from fastv.formatting import FLOPS, percent, sized, unit_for
from fastv.presentation.html import render
from fastv.pruning.methods.registry import METHODS, phrase_of

_UNITS = {"total": "FLOPs", "per-layer": "FLOPs", "ratio": None, "seconds": "seconds"}


def frontier_pane(chosen: ExploreSettings | None, axis: str, benchmark: str) -> Markup:
    """Costs and scores with the Pareto frontier; below it the findings in sentences."""
    reason = pareto.available(axis, benchmark)
    shown: dict[str, Any] = {"chart": None, "legend": []} if reason else _chart(chosen, axis, benchmark)
    return render("app/explore/pareto", reason=reason, findings=findings(), scope=SCOPE, **shown)


def _chart(chosen: ExploreSettings | None, axis: str, benchmark: str) -> dict[str, Any]:
    """The plot and its legend."""
    found, unit, title = pareto.series(axis, benchmark), _UNITS[axis], pareto.BENCHMARKS[benchmark]
    dots = {point: _dot(point, index, unit, title, chosen) for index, one in enumerate(found) for point in one.points}
    joined = [dots[point] for point in pareto.efficient(dots)]
    size = unit_for([max(point.cost for point in dots)], FLOPS) if unit == "FLOPs" else None
    small = "mini-7" if benchmark == pareto.SCENES else "llava-1.5-7b"
    line = next((point.cost for point in dots if (point.model, point.k) == (small, None)), None)
    chart = scatter(
        list(dots.values()),
        joined,
        title=f"{title} over cost",
        y_title=title,
        x_title=pareto.axis_title(axis, benchmark) + (f", {size.name}" if size else ""),
        x_size=size.size if size else 1.0,
        x_line=None if axis == "ratio" else line,
    )
    legend = [
        {"kind": f"key-shape shape-{index}", "text": f"{name_of(one.model)} ({one.source})"}
        for index, one in enumerate(found)
    ]
    legend += [{"kind": "key-baseline", "text": "without FastV"}, {"kind": "key-fastv", "text": "with FastV"}]
    if benchmark == pareto.SCENES:
        used = {point.method for point in dots}
        legend += [
            {"kind": f"key-method method-{name}", "text": f"{method.label}: kept {method.phrase}"}
            for name, method in METHODS.items()
            if name in used
        ]
        legend.append({"kind": "key-reach", "text": "95% CI"})
    legend.append({"kind": "key-efficient", "text": "Pareto frontier: no other point is both cheaper and better"})
    if axis != "ratio" and line is not None:
        legend.append({"kind": "key-total", "text": f"cost of {name_of(small)}"})
    return {"chart": chart, "legend": legend}


def _dot(point: pareto.Point, index: int, unit: str | None, title: str, chosen: ExploreSettings | None) -> Dot:
    kinds = [
        "baseline" if point.k is None else "fastv",
        f"shape-{index}",
        *([f"method-{point.method}"] if point.method else []),
    ]
    if chosen and (point.model, point.k, round(point.r, 3)) == (chosen.model, chosen.k, round(chosen.r, 3)):
        kinds.append("chosen")
    budget = "without FastV" if point.k is None else f"K={point.k}, R={percent(point.r)}"
    if point.method:
        budget += f", kept {phrase_of(point.method)}"
    cost = f"{percent(point.cost)} of its FLOPs without FastV" if unit is None else sized(point.cost, unit)
    score = f"{point.quality:.4g}"
    if point.interval:
        score += f" (95% CI {point.interval[0]:.1f} to {point.interval[1]:.1f})"
    words = f"{name_of(point.model)}, {budget}: {cost}; {title}: {score}"
    return Dot(point.cost, point.quality, " ".join(kinds), words, point.model, point.k, point.r, point.interval)
