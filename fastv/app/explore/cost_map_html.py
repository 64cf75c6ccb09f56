"""The map of cost over K and R, with the words around it, as HTML."""

from __future__ import annotations

from html import escape

from fastv.app.explore.quality_map_html import STRONGEST, quality_map
from fastv.app.explore.state import Settings, budgets_for, name_of
from fastv.app.shared.plots import Line, Marker, heat_map
from fastv.costs.cost_map import MEASURES, Grid, amount, contour, cost_grid
from fastv.errors import InvalidInputError
from fastv.formatting import percent, sized

QUALITY = "quality"
RELATIVE = ("itself", "small")


def measures() -> list[tuple[str, str]]:
    """(title, key) of what can be mapped."""
    return [(measure.title, key) for key, measure in MEASURES.items()] + [("Quality, measured or published", QUALITY)]


def map_pane(chosen: Settings, benchmark: str) -> str:
    """benchmark: whose scores a map of published quality shows, see ``quality_map``."""
    if chosen.measure == QUALITY:
        return quality_map(chosen, benchmark)
    if chosen.relative not in RELATIVE:
        raise InvalidInputError(f"A map is relative to one of {', '.join(RELATIVE)}, not {chosen.relative!r}.")
    grid = cost_grid(chosen.shape, chosen.workload, chosen.measure)
    measure = MEASURES[chosen.measure]
    own = amount(chosen.shape, chosen.workload, chosen.measure, None, 0.0)
    small = amount(chosen.small_shape, chosen.small_workload, chosen.measure, None, 0.0)
    whole, whole_name = (own, chosen.name) if chosen.relative == "itself" else (small, name_of(chosen.small))
    most = max(own, whole)
    texts = [[f"{100 * value / whole:.0f}" for value in row] for row in grid.values]
    heats = [[STRONGEST * value / most for value in row] for row in grid.values]
    lines, names = _lines(chosen, grid, small)
    markers = [Marker(f"preset {name}", k, r) for name, k, r in budgets_for(chosen)]
    title = f"{measure.title}: percent of what {whole_name} takes without FastV"
    plane = heat_map(
        grid,
        texts,
        heats,
        title=title,
        unit=" percent",
        chosen=(chosen.k, round(chosen.r, 3)),
        lines=lines,
        markers=markers,
    )
    legend = ['<span class="key-marker">a preset</span>', *names] if markers else names
    return (
        f'<div class="pane map"><h3>{escape(measure.title)}</h3><p class="note">Percent of what '
        f"<b>{escape(whole_name)}</b> takes without FastV, {sized(whole, measure.unit)}, for "
        f"{chosen.workload.text_tokens:,} text and {chosen.workload.visual_tokens:,} visual tokens"
        f"{_frames(chosen)}. Rows: K, the "
        "layer on entering which tokens are dropped; columns: R, the share dropped. Choose a cell to use it here and on "
        f"Compare.</p>{plane}"
        f'<p class="legend">{" ".join(legend)}</p>{_readout(chosen, own, small)}</div>'
    )


def _frames(chosen: Settings) -> str:
    return f", {chosen.workload.pictures:,} frames" if chosen.workload.pictures > chosen.pictures else ""


def _lines(chosen: Settings, grid: Grid, small: float) -> tuple[list[Line], list[str]]:
    """The contours at the smaller model's cost, and their legend. A model has none with itself."""
    if chosen.model == chosen.small:
        return [], []
    name = escape(name_of(chosen.small))
    lines = [Line("total", contour(grid, small))]
    legend = [
        f'<span class="key-total">costs what {name} costs</span>'
        if lines[0].spots
        else f"<span>no (K, R) here meets what {name} takes</span>"
    ]
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
    beside = (
        "" if chosen.model == chosen.small else f", <b>{percent(value / small)}</b> of {escape(name_of(chosen.small))}"
    )
    return (
        f'<p class="readout" role="status"><b class="point">K={chosen.k}, R={percent(chosen.r)}</b> '
        f"{sized(value, unit)}: <b>{percent(value / own)}</b> of {escape(chosen.name)} without FastV{beside}.</p>"
    )
