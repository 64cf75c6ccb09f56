"""The map and the frontier of the explorer, with the words around them, as HTML."""

from __future__ import annotations

from html import escape

from fastv import frontier
from fastv.errors import InvalidInputError
from fastv.formats import FLOPS, MEMORY, TIME, number, percent, unit_for
from fastv.landscape import MEASURES, Grid, amount, contour, cost_grid, quality_grid
from fastv.published import TABLE1_BENCHMARKS
from fastv.ui.explorer_settings import Settings, budgets_for, name_of
from fastv.ui.plots import Dot, Line, Marker, heat_map, scatter

QUALITY = "quality"
RELATIVE = ("itself", "small")
_STRONGEST = 0.55  # of the colour: text on it stays readable


def measures() -> list[tuple[str, str]]:
    """(title, key) of what can be mapped."""
    return [(measure.title, key) for key, measure in MEASURES.items()] + [("Quality, published", QUALITY)]


def sized(value: float, unit: str) -> str:
    """An amount of FLOPs, bytes or seconds with the unit that suits it."""
    chosen = unit_for([value], {"FLOPs": FLOPS, "bytes": MEMORY, "seconds": TIME}[unit])
    return f"{number(value / chosen.size)} {chosen.name}"


def map_pane(chosen: Settings, benchmark: str) -> str:
    """benchmark: whose scores a map of quality shows, one of ``published.TABLE1_BENCHMARKS``, else their average."""
    if chosen.measure == QUALITY:
        return _quality_map(chosen, benchmark if benchmark in TABLE1_BENCHMARKS else "average")
    if chosen.relative not in RELATIVE:
        raise InvalidInputError(f"A map is relative to one of {', '.join(RELATIVE)}, not {chosen.relative!r}.")
    grid = cost_grid(chosen.shape, chosen.workload, chosen.measure)
    measure = MEASURES[chosen.measure]
    own = amount(chosen.shape, chosen.workload, chosen.measure, None, 0.0)
    small = amount(chosen.small_shape, chosen.small_workload, chosen.measure, None, 0.0)
    whole, whole_name = (own, chosen.name) if chosen.relative == "itself" else (small, name_of(chosen.small))
    most = max(own, whole)
    texts = [[f"{100 * value / whole:.0f}" for value in row] for row in grid.values]
    heats = [[_STRONGEST * value / most for value in row] for row in grid.values]
    lines, names = _lines(chosen, grid, small)
    markers = [Marker(f"preset {name}", k, r) for name, k, r in budgets_for(chosen)]
    title = f"{measure.title}: percent of what {whole_name} takes without FastV"
    plane = heat_map(grid, texts, heats, title=title, unit=" percent", chosen=(chosen.k, round(chosen.r, 3)),
                     lines=lines, markers=markers)
    legend = ['<span class="key-marker">a preset</span>', *names] if markers else names
    return (f'<div class="pane map"><h3>{escape(measure.title)}</h3><p class="note">Percent of what '
            f"<b>{escape(whole_name)}</b> takes without FastV, {sized(whole, measure.unit)}, for "
            f"{chosen.workload.text_tokens:,} text and {chosen.workload.visual_tokens:,} visual tokens. Down: K, the "
            f"layer that drops; across: R, the share of visual tokens dropped. Choose a cell.</p>{plane}"
            f'<p class="legend">{" ".join(legend)}</p>{_readout(chosen, own, small)}</div>')


def _lines(chosen: Settings, grid: Grid, small: float) -> tuple[list[Line], list[str]]:
    """The contours at the smaller model's cost, and their legend. A model has none with itself."""
    if chosen.model == chosen.small:
        return [], []
    name = escape(name_of(chosen.small))
    lines = [Line("total", contour(grid, small))]
    legend = [f'<span class="key-total">costs what {name} costs</span>' if lines[0].spots else
              f'<span>no (K, R) here meets what {name} takes</span>']
    if chosen.measure == "prefill-paper":
        depth = chosen.shape.decoder.layers / chosen.small_shape.decoder.layers
        per_layer = Line("per-layer", contour(grid, small * depth))
        if per_layer.spots:
            lines.append(per_layer)
            legend.append('<span class="key-per-layer">the same per layer, as the paper compares</span>')
    return lines, legend


def _readout(chosen: Settings, own: float, small: float) -> str:
    """The chosen point in words; said aloud when it changes."""
    value = amount(chosen.shape, chosen.workload, chosen.measure, chosen.k, chosen.r)
    unit = MEASURES[chosen.measure].unit
    beside = ("" if chosen.model == chosen.small
              else f", <b>{percent(value / small)}</b> of {escape(name_of(chosen.small))}")
    return (f'<p class="readout" role="status"><b class="point">K={chosen.k}, R={percent(chosen.r)}</b> '
            f"{sized(value, unit)}: <b>{percent(value / own)}</b> of {escape(chosen.name)} without FastV{beside}.</p>")


def _quality_map(chosen: Settings, benchmark: str) -> str:
    grid = quality_grid(chosen.model, benchmark)
    title = TABLE1_BENCHMARKS[benchmark]
    if not grid.rows:
        return (f'<div class="pane map"><h3>{escape(title)}</h3><p class="note">Nothing is published for '
                f"{escape(chosen.name)}: the paper's Table 1 has LLaVA-1.5 7B and 13B.</p></div>")
    unpruned = next(point.quality for one in frontier.series("total", benchmark) if one.model == chosen.model
                    for point in one.points if point.k is None)
    texts = [["" if value is None else f"{value:.1f}" for value in row] for row in grid.values]
    heats = [[0 if value is None else _STRONGEST * min(value / unpruned, 1) ** 3 for value in row]
             for row in grid.values]
    random = " K=0 drops at random: there is no attention yet to rank by." if 0 in grid.rows else ""
    plane = heat_map(grid, texts, heats, title=f"{title} of {chosen.name}", unit="",
                     chosen=(chosen.k, round(chosen.r, 3)))
    return (f'<div class="pane map"><h3>{escape(title)}</h3><p class="note">Scores of {escape(chosen.name)} in the '
            f"FastV paper's Table 1; without FastV <b>{unpruned:.1f}</b>.{random}</p>{plane}</div>")


def frontier_pane(chosen: Settings, axis: str, benchmark: str) -> str:
    """Published costs and scores, the efficient points joined."""
    reason = frontier.available(axis, benchmark)
    title = frontier.BENCHMARKS[benchmark]
    if reason is not None:
        return f'<div class="pane"><p class="note">{escape(reason)} Choose another cost or another score.</p></div>'
    found = frontier.series(axis, benchmark)
    unit = {"total": "FLOPs", "per-layer": "FLOPs", "ratio": None, "seconds": "seconds"}[axis]
    dots = {point: _dot(point, index, unit, title, chosen) for index, one in enumerate(found) for point in one.points}
    joined = [dots[point] for point in frontier.efficient(dots)]
    most = max(point.cost for point in dots)
    size = unit_for([most], FLOPS) if unit == "FLOPs" else None
    small = next((point.cost for point in dots if (point.model, point.k) == ("llava-1.5-7b", None)), None)
    x_title = frontier.AXES[axis] + (f", {size.name}" if size else "")
    chart = scatter(list(dots.values()), joined, title=f"{title} over cost", x_title=x_title, y_title=title,
                    x_size=size.size if size else 1.0, x_line=None if axis == "ratio" else small)
    legend = [f'<span class="key-shape shape-{index}">{escape(name_of(one.model))} ({escape(one.source)})</span>'
              for index, one in enumerate(found)]
    legend += ['<span class="key-baseline">without FastV</span>', '<span class="key-fastv">with FastV</span>',
               '<span class="key-efficient">nothing here is cheaper and better</span>']
    if axis != "ratio":
        legend.append('<span class="key-total">what LLaVA-1.5 7B costs</span>')
    return f'<div class="pane">{chart}<p class="legend">{" ".join(legend)}</p></div>'


def _dot(point: frontier.Point, index: int, unit: str | None, title: str, chosen: Settings) -> Dot:
    side = "baseline" if point.k is None else "fastv"
    is_chosen = (point.model, point.k, round(point.r, 3)) == (chosen.model, chosen.k, round(chosen.r, 3))
    budget = "without FastV" if point.k is None else f"K={point.k}, R={percent(point.r)}"
    cost = f"{percent(point.cost)} of its FLOPs" if unit is None else sized(point.cost, unit)
    score = f"{point.quality:g}"
    return Dot(point.cost, point.quality, f"{side} shape-{index}{' chosen' if is_chosen else ''}",
               f"{name_of(point.model)}, {budget}: {cost}; {title}: {score}", point.model, point.k, point.r)
