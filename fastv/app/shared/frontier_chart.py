"""Cost to the right, score upwards: a line for each model and method, the chosen setting, and what it all says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fastv.app.shared.model_names import name_of
from fastv.app.shared.scatter import Curve, Dot, scatter
from fastv.evidence import pareto
from fastv.evidence.setting_point import setting_point
from fastv.formatting import FLOPS, budget, percent, sized, unit_for
from fastv.presentation.html import render
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS, phrase_of

#: Runs once in a component that holds a chart or a map.
SPOTS_SCRIPT = Path(__file__).with_name("spots.js").read_text(encoding="utf-8")
_UNITS = {"total": "FLOPs", "per-layer": "FLOPs", "ratio": None, "seconds": "seconds"}


@dataclass(frozen=True)
class FrontierChart:
    """The plot, the entries of its legend, what the smaller model's cost buys, and where the chosen setting lies."""

    plot: Markup
    legend: list[dict[str, str]]
    verdict: str
    chosen: str


def frontier_chart(
    model: str | None, pruning: PruningConfig | None, axis: str, benchmark: str, *, lines_only: bool = False
) -> FrontierChart:
    """The chart of one cost and one score, which are known together (``pareto.available``).

    Parameters
    ----------
    model, pruning
        The chosen setting; without a model none is marked.
    lines_only
        Leave out the points that are on no line.
    """
    found, unit, title = pareto.series(axis, benchmark), _UNITS[axis], pareto.BENCHMARKS[benchmark]
    lines = pareto.lines(found)
    shown = {point for points in lines.values() for point in points}
    dots = {
        point: _dot(point, index, unit, title)
        for index, one in enumerate(found)
        for point in one.points
        if point in shown or not lines_only
    }
    yours = setting_point(found, model, pruning) if model and pruning else None
    if yours:
        index = next(index for index, one in enumerate(found) if one.model == yours.point.model)
        made = dots.get(yours.point) or _dot(yours.point, index, unit, title)
        words = made.words if yours.is_known else f"about {made.words} (between two known settings)"
        kind = f"{made.kind} chosen" if yours.is_known else f"{made.kind} chosen between"
        dots[yours.point] = replace(made, kind=kind, words=f"Your setting: {words}")
    size = unit_for([max(point.cost for point in dots)], FLOPS) if unit == "FLOPs" else None
    small = "mini-7" if benchmark == pareto.SCENES else "llava-1.5-7b"
    reference = next((point for point in dots if (point.model, point.k) == (small, None)), None)
    if axis == "ratio":
        reference = None
    best = pareto.at_the_cost_of(reference, found) if reference else None
    plot = scatter(
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
    legend += [{"kind": "key-baseline", "text": "without pruning"}, {"kind": "key-fastv", "text": "with pruning"}]
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
    return FrontierChart(
        plot, legend, _verdict(reference, best, axis, benchmark), dots[yours.point].words if yours else ""
    )


def frontier_html(template: str, chart: FrontierChart | None, **more: Any) -> Markup:
    """A template with the chart's parts, or with none of them."""
    parts = {
        "chart": chart and chart.plot,
        "legend": chart.legend if chart else [],
        "verdict": chart.verdict if chart else "",
        "chosen": chart.chosen if chart else "",
    }
    return render(template, **parts, **more)


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


def _verdict(reference: pareto.Point | None, best: pareto.Point | None, axis: str, benchmark: str) -> str:
    """What the cost of the smaller model buys of the larger one; empty where both are not there."""
    if reference is None or best is None or best.k is None:
        return ""
    where = "measured here" if benchmark == pareto.SCENES else "published"
    cost = "time to first token" if axis == "seconds" else "FLOPs"
    gap = round(best.quality - reference.quality, 1)
    told = f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'}" if gap else "as good as"
    certain = ""
    if best.interval and reference.interval and best.interval[0] <= reference.interval[1] and gap > 0:
        certain = " Their 95% intervals overlap."
    return (
        f"{name_of(best.model)} at {budget(best.k, best.r)}: {told} {name_of(reference.model)} for "
        f"{percent(best.cost / reference.cost)} of its {cost} ({where}).{certain}"
    )


def _dot(point: pareto.Point, index: int, unit: str | None, title: str) -> Dot:
    kinds = [
        "baseline" if point.k is None else "fastv",
        f"shape-{index}",
        *([f"method-{point.method}"] if point.method else []),
    ]
    setting = "without FastV" if point.k is None else budget(point.k, point.r)
    if point.method:
        setting += f", kept {phrase_of(point.method)}"
    cost = f"{percent(point.cost)} of its FLOPs without FastV" if unit is None else sized(point.cost, unit)
    score = f"{point.quality:.1f}"
    if point.interval:
        score += f" (95% CI {point.interval[0]:.1f} to {point.interval[1]:.1f})"
    words = f"{name_of(point.model)}, {setting}: {cost}; {title}: {score}"
    return Dot(
        point.cost,
        point.quality,
        " ".join(kinds),
        words,
        point.model,
        point.k,
        point.r,
        point.interval,
        point.method or "",
    )
