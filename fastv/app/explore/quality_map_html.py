"""The map of quality over K and R: what was measured here, or what the paper published, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from fastv.app.explore.state import Settings
from fastv.app.shared.plots import heat_map
from fastv.costs.cost_map import Grid
from fastv.costs.flops import kept_tokens
from fastv.evidence import pareto
from fastv.evidence.measurements import Measured, MeasuredPoint, measured
from fastv.evidence.published import TABLE1_BENCHMARKS
from fastv.evidence.quality_grid import measured_grid, quality_grid
from fastv.formatting import percent, points

STRONGEST = 0.55  # of the colour: text on it stays readable
_RANDOM = " K=0 drops at random: there is no attention yet to rank by."


def quality_map(chosen: Settings, benchmark: str) -> str:
    """benchmark: whose published scores are shown, one of ``TABLE1_BENCHMARKS``; for any other their average."""
    found = measured(chosen.model)
    if found is not None:
        return _measured_map(chosen, found)
    return _published_map(chosen, benchmark if benchmark in TABLE1_BENCHMARKS else "average")


def _measured_map(chosen: Settings, found: Measured) -> str:
    grid, whole = measured_grid(found), found.score(found.unpruned)
    texts = [["" if value is None else f"{100 * value:.1f}" for value in row] for row in grid.values]
    notes = {(point.k, point.r): _note(found, point) for point in _ranked(found)}
    note = (
        f"Measured on {whole.asked:,} questions about drawn scenes, in percent; {escape(chosen.name)} without "
        f"FastV <b>{percent(whole.share)}</b> ({percent(whole.low)} to {percent(whole.high)}). Ranked by the last "
        f"token's attention.{_RANDOM if 0 in grid.rows else ''}"
    )
    plane = _plane(grid, texts, whole.share, f"Questions that {chosen.name} answers right", " percent", chosen, notes)
    return _pane("Questions answered right", note, plane + _chosen(chosen, found))


def _ranked(found: Measured) -> list[MeasuredPoint]:
    """The points with the usual ranking, one for each K and R."""
    return [point for point in found.pruned if point is found.point(point.k, point.r)]


def _note(found: Measured, point: MeasuredPoint) -> str:
    score, change = found.score(point), found.change(point)
    return (
        f"95% interval {percent(score.low)} to {percent(score.high)}, {points(change.share)} "
        f"({points(change.low)} to {points(change.high)}) points since no FastV"
    )


def _chosen(chosen: Settings, found: Measured) -> str:
    """What was measured at the chosen point, said aloud when it changes, and there per task."""
    name = f"K={chosen.k}, R={percent(chosen.r)}"
    kept = kept_tokens(found.visual_tokens, chosen.r)
    point = next(
        (one for one in _ranked(found) if one.k == chosen.k and kept_tokens(found.visual_tokens, one.r) == kept), None
    )
    if point is None:
        return f'<p class="readout" role="status"><b class="point">{name}</b> was not measured: choose a cell.</p>'
    rows = "".join(_task_row(found, point, task) for task in dict.fromkeys(sorted(found.tasks)))
    return (
        f'<p class="readout" role="status"><b class="point">{name}</b> {percent(found.score(point).share)}: '
        f'{_note(found, point)}.</p><details><summary>Per task at {name}</summary><table class="figures">'
        "<caption>Percent of the questions answered right; the change in points with its 95% interval, question by "
        'question.</caption><thead><tr><th scope="col">Task</th><th scope="col">Questions</th><th scope="col" '
        'class="baseline">Without</th><th scope="col" class="fastv">With FastV</th><th scope="col">Change</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></details>"
    )


def _task_row(found: Measured, point: MeasuredPoint, task: str) -> str:
    before, after, change = found.score(found.unpruned, task), found.score(point, task), found.change(point, task)
    return (
        f'<tr><th scope="row">{escape(task)}</th><td>{before.asked:,}</td><td class="baseline">'
        f'{100 * before.share:.1f}</td><td class="fastv">{100 * after.share:.1f}</td><td>{points(change.share)}'
        f"<small>{points(change.low)} to {points(change.high)}</small></td></tr>"
    )


def _published_map(chosen: Settings, benchmark: str) -> str:
    grid = quality_grid(chosen.model, benchmark)
    title = TABLE1_BENCHMARKS[benchmark]
    if not grid.rows:
        return _pane(
            "Quality",
            f"Nothing was measured or published of {escape(chosen.name)}. The paper's Table 1 has "
            "LLaVA-1.5 7B and 13B; what comes with the project is measured with “python -m "
            "fastv.miniature.evaluation.cli mini-7 --grid”.",
            "",
        )
    unpruned = next(
        point.quality
        for one in pareto.series("total", benchmark)
        if one.model == chosen.model
        for point in one.points
        if point.k is None
    )
    texts = [["" if value is None else f"{value:.1f}" for value in row] for row in grid.values]
    return _pane(
        title,
        f"Scores of {escape(chosen.name)} in the FastV paper's Table 1; without FastV "
        f"<b>{unpruned:.1f}</b>.{_RANDOM if 0 in grid.rows else ''}",
        _plane(grid, texts, unpruned, f"{title} of {chosen.name}", "", chosen, {}),
    )


def _plane(
    grid: Grid,
    texts: list[list[str]],
    whole: float,
    title: str,
    unit: str,
    chosen: Settings,
    notes: Mapping[tuple[int, float], str],
) -> str:
    heats = [[0 if value is None else STRONGEST * min(value / whole, 1) ** 3 for value in row] for row in grid.values]
    return heat_map(grid, texts, heats, title=title, unit=unit, chosen=(chosen.k, round(chosen.r, 3)), notes=notes)


def _pane(title: str, note: str, plane: str) -> str:
    return f'<div class="pane map"><h3>{escape(title)}</h3><p class="note">{note}</p>{plane}</div>'
