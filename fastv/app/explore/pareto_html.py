"""Cost against quality, published or measured here, and what the measurements say, as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from fastv.app.explore.state import ExploreSettings, name_of
from fastv.app.shared.scatter import Curve, Dot, scatter
from fastv.evidence import pareto
from fastv.evidence.findings import SCOPE, findings
from fastv.formatting import FLOPS, budget, percent, sized, unit_for
from fastv.presentation.html import render
from fastv.pruning.methods.registry import METHODS, phrase_of

_UNITS = {"total": "FLOPs", "per-layer": "FLOPs", "ratio": None, "seconds": "seconds"}


def frontier_pane(chosen: ExploreSettings | None, axis: str, benchmark: str) -> Markup:
    """Costs and scores, a line for each model and method, and in a sentence what the smaller model's cost buys."""
    reason = pareto.available(axis, benchmark)
    shown: dict[str, Any] = {"chart": None, "legend": [], "verdict": ""} if reason else _chart(chosen, axis, benchmark)
    return render("app/explore/pareto", reason=reason, **shown)


def findings_pane() -> Markup:
    """What the measurements of this project say, in sentences."""
    return render("app/explore/findings", findings=findings(), scope=SCOPE)


def _chart(chosen: ExploreSettings | None, axis: str, benchmark: str) -> dict[str, Any]:
    """The plot, its legend and its verdict."""
    found, unit, title = pareto.series(axis, benchmark), _UNITS[axis], pareto.BENCHMARKS[benchmark]
    dots = {point: _dot(point, index, unit, title, chosen) for index, one in enumerate(found) for point in one.points}
    lines = pareto.lines(found)
    size = unit_for([max(point.cost for point in dots)], FLOPS) if unit == "FLOPs" else None
    small = "mini-7" if benchmark == pareto.SCENES else "llava-1.5-7b"
    reference = next((point for point in dots if (point.model, point.k) == (small, None)), None)
    if axis == "ratio":
        reference = None
    best = pareto.at_the_cost_of(reference, found) if reference else None
    chart = scatter(
        list(dots.values()),
        [Curve(_line_kind(*key), [dots[point] for point in points]) for key, points in lines.items()],
        title=f"{title} over cost",
        y_title=title,
        x_title=pareto.axis_title(axis, benchmark) + (f", {size.name}" if size else ""),
        x_size=size.size if size else 1.0,
        x_line=reference.cost if reference else None,
        labels={dots[point]: words for point, words in _labels(reference, best, found).items()},
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
    legend.append({"kind": "key-efficient", "text": "best settings of one model and method"})
    if reference:
        legend.append({"kind": "key-total", "text": f"cost of {name_of(small)}"})
    return {"chart": chart, "legend": legend, "verdict": _verdict(reference, best, benchmark)}


def _line_kind(model: str, method: str | None) -> str:
    return "plain" if not model else f"pruned method-{method}" if method else "pruned"


def _labels(
    reference: pareto.Point | None, best: pareto.Point | None, found: Iterable[pareto.Series]
) -> dict[pareto.Point, str]:
    """At most five points by name: the models without pruning, and the best at the smaller one's cost."""
    plain = [point for one in found for point in one.points if point.k is None]
    named = {point: name_of(point.model) for point in plain[: 4 if best else 5]}
    if best and reference:
        named[best] = f"{name_of(best.model)}, {budget(best.k or 0, best.r)}"
    return named


def _verdict(reference: pareto.Point | None, best: pareto.Point | None, benchmark: str) -> str:
    """What the cost of the smaller model buys of the larger one; empty where both are not there."""
    if reference is None or best is None or best.k is None:
        return ""
    where = "measured here" if benchmark == pareto.SCENES else "published"
    gap = round(best.quality - reference.quality, 1)
    told = f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'}" if gap else "as good as"
    certain = ""
    if best.interval and reference.interval and best.interval[0] <= reference.interval[1] and gap > 0:
        certain = " Their 95% intervals overlap."
    return (
        f"{name_of(best.model)} at {budget(best.k, best.r)}: {told} {name_of(reference.model)} for "
        f"{percent(best.cost / reference.cost)} of its cost ({where}).{certain}"
    )


def _dot(point: pareto.Point, index: int, unit: str | None, title: str, chosen: ExploreSettings | None) -> Dot:
    kinds = [
        "baseline" if point.k is None else "fastv",
        f"shape-{index}",
        *([f"method-{point.method}"] if point.method else []),
    ]
    if chosen and (point.model, point.k, round(point.r, 3)) == (chosen.model, chosen.k, round(chosen.r, 3)):
        kinds.append("chosen")
    setting = "without FastV" if point.k is None else budget(point.k, point.r)
    if point.method:
        setting += f", kept {phrase_of(point.method)}"
    cost = f"{percent(point.cost)} of its FLOPs without FastV" if unit is None else sized(point.cost, unit)
    score = f"{point.quality:.4g}"
    if point.interval:
        score += f" (95% CI {point.interval[0]:.1f} to {point.interval[1]:.1f})"
    words = f"{name_of(point.model)}, {setting}: {cost}; {title}: {score}"
    return Dot(point.cost, point.quality, " ".join(kinds), words, point.model, point.k, point.r, point.interval)
