"""The map of quality over K and R: what was measured here, or what the paper published, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from fastv.app.explore.method_curve_html import method_curve
from fastv.app.explore.state import ExploreSettings
from fastv.app.shared.heat_map import heat_map
from fastv.costs.cost_map import Grid
from fastv.costs.flops import kept_tokens
from fastv.evidence import pareto
from fastv.evidence.measurements import Measured, MeasuredPoint, measured
from fastv.evidence.published import TABLE1_BENCHMARKS
from fastv.evidence.quality_grid import measured_grid, quality_grid
from fastv.formatting import budget, percent, points
from fastv.presentation.html import render
from fastv.pruning.methods.registry import METHODS

STRONGEST = 0.55  # of the color: text on it stays readable
_NOTHING = Markup()
_FULL_COLOR = 0.1  # share of the score whose loss gets the strongest color, where no cell loses more


def quality_map(chosen: ExploreSettings, benchmark: str) -> Markup:
    """benchmark: whose published scores are shown, one of ``TABLE1_BENCHMARKS``; for any other their average."""
    found = measured(chosen.model)
    if found is not None:
        return _measured_map(chosen, found)
    if chosen.quality_method != "fastv":
        return _no_map(chosen, "method")
    return _published_map(chosen, benchmark if benchmark in TABLE1_BENCHMARKS else "average")


def _measured_map(chosen: ExploreSettings, found: Measured) -> Markup:
    method, whole = METHODS[chosen.quality_method], found.score(found.unpruned)
    curve = method_curve(chosen.model, method.name)
    grid = measured_grid(found, method.name)
    if not any(grid.rows):  # K = 0, which is random dropping for every method, makes no map
        return _no_map(chosen, "few" if curve else "unmeasured", curve)
    texts = [["" if value is None else f"{100 * value:.1f}" for value in row] for row in grid.values]
    notes = {(point.k, point.r): _note(found, point) for point in _ranked(found, method.name) if point.k is not None}
    return render(
        "app/explore/quality_map",
        kind="measured",
        title="Questions answered correctly",
        name=chosen.name,
        whole=whole,
        label=method.label,
        phrase=method.phrase,
        curve=curve,
        has_random_row=0 in grid.rows,
        plane=_plane(
            grid, texts, whole.share, f"Questions that {chosen.name} answers correctly", " percent", chosen, notes
        ),
        setting=budget(chosen.k, chosen.r),
        **_at_chosen(chosen, found),
    )


def _no_map(chosen: ExploreSettings, kind: str, curve: Markup = _NOTHING) -> Markup:
    """kind: why there is no map, see the template."""
    method = METHODS[chosen.quality_method]
    return render(
        "app/explore/quality_map",
        kind=kind,
        title="Questions answered correctly" if curve else "Quality",
        name=chosen.name,
        label=method.label,
        cuts=method.cuts,
        has_random_row=False,
        plane="",
        curve=curve,
    )


def _ranked(found: Measured, method: str) -> list[MeasuredPoint]:
    """The points of a method, one for each K and R."""
    return [point for point in found.pruned if point is found.point(point.k, point.r, method)]


def _note(found: Measured, point: MeasuredPoint) -> str:
    score, change = found.score(point), found.change(point)
    return (
        f"95% CI {percent(score.low)} to {percent(score.high)}; {points(change.share)} points since no pruning "
        f"(95% CI {points(change.low)} to {points(change.high)})"
    )


def _at_chosen(chosen: ExploreSettings, found: Measured) -> dict[str, Any]:
    """What was measured at the chosen point, overall and per task; a score of None where nothing was."""
    kept = kept_tokens(found.visual_tokens, chosen.r)
    point = next(
        (
            one
            for one in _ranked(found, chosen.quality_method)
            if one.k == chosen.k and kept_tokens(found.visual_tokens, one.r) == kept
        ),
        None,
    )
    if point is None:
        return {"score": None}
    tasks = [
        {
            "name": task,
            "before": found.score(found.unpruned, task),
            "after": found.score(point, task),
            "change": found.change(point, task),
        }
        for task in sorted(set(found.tasks))
    ]
    return {"score": found.score(point).share, "note": _note(found, point), "tasks": tasks}


def _published_map(chosen: ExploreSettings, benchmark: str) -> Markup:
    grid = quality_grid(chosen.model, benchmark)
    if not grid.rows:
        return _no_map(chosen, "none")
    title = TABLE1_BENCHMARKS[benchmark]
    unpruned = next(
        point.quality
        for one in pareto.series("total", benchmark)
        if one.model == chosen.model
        for point in one.points
        if point.k is None
    )
    texts = [["" if value is None else f"{value:.1f}" for value in row] for row in grid.values]
    return render(
        "app/explore/quality_map",
        kind="published",
        title=title,
        name=chosen.name,
        label=METHODS["fastv"].label,
        curve="",
        whole=unpruned,
        has_random_row=0 in grid.rows,
        plane=_plane(grid, texts, unpruned, f"{title} of {chosen.name}", "", chosen, {}),
    )


def _plane(
    grid: Grid,
    texts: list[list[str]],
    whole: float,
    title: str,
    unit: str,
    chosen: ExploreSettings,
    notes: Mapping[tuple[int, float], str],
) -> Markup:
    # As on the map of costs, the stronger color is what one wants less: here what is lost of the whole score.
    losses = [[0.0 if value is None else max(whole - value, 0.0) for value in row] for row in grid.values]
    largest = max(_FULL_COLOR * whole, *(loss for row in losses for loss in row))
    heats = [[STRONGEST * loss / largest for loss in row] for row in losses]
    return heat_map(grid, texts, heats, title=title, unit=unit, chosen=(chosen.k, round(chosen.r, 3)), notes=notes)
