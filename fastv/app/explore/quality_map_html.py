"""The map of quality over K and R: what was measured here, or what the paper published, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

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
_FULL_COLOR = 0.1  # share of the score whose loss gets the strongest color, where no cell loses more


def quality_map(chosen: ExploreSettings, benchmark: str) -> Markup:
    """benchmark: whose published scores are shown, one of ``TABLE1_BENCHMARKS``; for any other their average."""
    found = measured(chosen.model)
    if found is not None:
        return _measured_map(chosen, found)
    return _published_map(chosen, benchmark if benchmark in TABLE1_BENCHMARKS else "average")


def _measured_map(chosen: ExploreSettings, found: Measured) -> Markup:
    grid, whole = measured_grid(found), found.score(found.unpruned)
    texts = [["" if value is None else f"{100 * value:.1f}" for value in row] for row in grid.values]
    notes = {(point.k, point.r): _note(found, point) for point in _ranked(found) if point.k is not None}
    return render(
        "app/explore/quality_map",
        kind="measured",
        title="Questions answered correctly",
        name=chosen.name,
        whole=whole,
        phrase=METHODS["fastv"].phrase,
        has_random_row=0 in grid.rows,
        plane=_plane(
            grid, texts, whole.share, f"Questions that {chosen.name} answers correctly", " percent", chosen, notes
        ),
        setting=budget(chosen.k, chosen.r),
        **_at_chosen(chosen, found),
    )


def _ranked(found: Measured) -> list[MeasuredPoint]:
    """The points with the usual ranking, one for each K and R."""
    return [point for point in found.pruned if point is found.point(point.k, point.r)]


def _note(found: Measured, point: MeasuredPoint) -> str:
    score, change = found.score(point), found.change(point)
    return (
        f"95% CI {percent(score.low)} to {percent(score.high)}; {points(change.share)} points relative to no FastV "
        f"(95% CI {points(change.low)} to {points(change.high)})"
    )


def _at_chosen(chosen: ExploreSettings, found: Measured) -> dict[str, Any]:
    """What was measured at the chosen point, overall and per task; a score of None where nothing was."""
    kept = kept_tokens(found.visual_tokens, chosen.r)
    point = next(
        (one for one in _ranked(found) if one.k == chosen.k and kept_tokens(found.visual_tokens, one.r) == kept), None
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
        return render(
            "app/explore/quality_map",
            kind="none",
            title="Quality",
            name=chosen.name,
            has_random_row=False,
            plane="",
        )
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
