"""The map of quality over K and R: what was measured here, or what the paper published, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from fastv import frontier
from fastv.formats import percent, points
from fastv.landscape import Grid, measured_grid, quality_grid
from fastv.measured import Measured, measured
from fastv.published import TABLE1_BENCHMARKS
from fastv.ui.explorer_settings import Settings
from fastv.ui.plots import heat_map

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
    notes = {}
    for point in found.pruned:
        if point.rank in ("last_token", "random" if point.k == 0 else None):
            score, change = found.score(point), found.change(point)
            notes[point.k, point.r] = (
                f"95% interval {percent(score.low)} to {percent(score.high)}, {points(change.share)} "
                f"({points(change.low)} to {points(change.high)}) points since no FastV")
    at = next((note for place, note in notes.items() if place == (chosen.k, round(chosen.r, 4))), None)
    said = (f'<p class="readout" role="status"><b class="point">K={chosen.k}, R={percent(chosen.r)}</b> '
            f"{_value(grid, chosen)}%: {escape(at)}.</p>") if at and _value(grid, chosen) else ""
    return _pane("Questions answered right", f"Measured on {whole.asked:,} questions about drawn scenes, in percent; "
                 f"{escape(chosen.name)} without FastV <b>{percent(whole.share)}</b> ({percent(whole.low)} to "
                 f"{percent(whole.high)}). Ranked by the last token's attention.{_RANDOM if 0 in grid.rows else ''}",
                 _plane(grid, texts, whole.share, f"Questions that {chosen.name} answers right", " percent", chosen,
                        notes) + said)


def _value(grid: Grid, chosen: Settings) -> str:
    cells = {(k, r): value for k, row in zip(grid.rows, grid.values) for r, value in zip(grid.columns, row)}
    value = cells.get((chosen.k, round(chosen.r, 4)))
    return "" if value is None else f"{100 * value:.1f}"


def _published_map(chosen: Settings, benchmark: str) -> str:
    grid = quality_grid(chosen.model, benchmark)
    title = TABLE1_BENCHMARKS[benchmark]
    if not grid.rows:
        return _pane("Quality", f"Nothing was measured or published of {escape(chosen.name)}. The paper's Table 1 has "
                     "LLaVA-1.5 7B and 13B; what comes with the project is measured with “python -m "
                     "fastv.miniature.evaluate mini-7 --grid”.", "")
    unpruned = next(point.quality for one in frontier.series("total", benchmark) if one.model == chosen.model
                    for point in one.points if point.k is None)
    texts = [["" if value is None else f"{value:.1f}" for value in row] for row in grid.values]
    return _pane(title, f"Scores of {escape(chosen.name)} in the FastV paper's Table 1; without FastV "
                 f"<b>{unpruned:.1f}</b>.{_RANDOM if 0 in grid.rows else ''}",
                 _plane(grid, texts, unpruned, f"{title} of {chosen.name}", "", chosen, {}))


def _plane(grid: Grid, texts: list[list[str]], whole: float, title: str, unit: str, chosen: Settings,
           notes: Mapping[tuple[int, float], str]) -> str:
    heats = [[0 if value is None else STRONGEST * min(value / whole, 1) ** 3 for value in row] for row in grid.values]
    return heat_map(grid, texts, heats, title=title, unit=unit, chosen=(chosen.k, round(chosen.r, 3)), notes=notes)


def _pane(title: str, note: str, plane: str) -> str:
    return f'<div class="pane map"><h3>{escape(title)}</h3><p class="note">{note}</p>{plane}</div>'
