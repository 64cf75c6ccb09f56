"""The map of cost over K and R, with the words around it, as HTML."""

from __future__ import annotations

from markupsafe import Markup

from fastv.app.explore.quality_map_html import STRONGEST, quality_map
from fastv.app.explore.state import ExploreSettings, budgets_for
from fastv.app.shared.heat_map import Line, Marker, heat_map
from fastv.app.shared.model_names import name_of
from fastv.costs.cost_map import MEASURES, Grid, amount, contour, cost_grid
from fastv.errors import InvalidInputError
from fastv.formatting import sized
from fastv.presentation.html import render

QUALITY = "quality"
RELATIVE = ("itself", "small")


def measures() -> list[tuple[str, str]]:
    """(title, key) of what can be mapped."""
    return [(measure.title, key) for key, measure in MEASURES.items()] + [("Quality, measured or published", QUALITY)]


def map_pane(chosen: ExploreSettings, benchmark: str) -> Markup:
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
    values = [[value or 0.0 for value in row] for row in grid.values]  # costs are known everywhere
    texts = [[f"{100 * value / whole:.0f}" for value in row] for row in values]
    heats = [[STRONGEST * value / most for value in row] for row in values]
    lines, legend = _lines(chosen, grid, small)
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
    value = amount(chosen.shape, chosen.workload, chosen.measure, chosen.k, chosen.r)
    return render(
        "app/explore/cost_map",
        measure=measure.title,
        whole_name=whole_name,
        whole=sized(whole, measure.unit),
        text_tokens=chosen.workload.text_tokens,
        visual_tokens=chosen.workload.visual_tokens,
        frames=_frames(chosen),
        plane=plane,
        has_presets=bool(markers),
        legend=legend,
        k=chosen.k,
        r=chosen.r,
        value=sized(value, measure.unit),
        of_own=value / own,
        name=chosen.name,
        of_small=None if chosen.model == chosen.small else value / small,
        small_name=name_of(chosen.small),
    )


def _frames(chosen: ExploreSettings) -> int:
    """How many frames the prompt has, 0 for still pictures."""
    frames = chosen.workload.pictures or 0
    return frames if frames > chosen.pictures else 0


def _lines(chosen: ExploreSettings, grid: Grid, small: float) -> tuple[list[Line], list[dict[str, str]]]:
    """The contours at the smaller model's cost, and their legend. A model has none with itself."""
    if chosen.model == chosen.small:
        return [], []
    name, own = name_of(chosen.small), amount(chosen.shape, chosen.workload, chosen.measure, None, 0.0)
    if own <= small:
        return [], [{"kind": "", "text": f"every setting costs less than {name}"}]
    lines = [Line("total", contour(grid, small))]
    legend = [
        {"kind": "key-total", "text": f"same cost as {name}"}
        if lines[0].spots
        else {"kind": "", "text": f"every setting costs more than {name}"}
    ]
    if chosen.measure == "prefill-paper":
        depth = chosen.shape.decoder.layers / chosen.small_shape.decoder.layers
        per_layer = Line("per-layer", contour(grid, small * depth))
        if per_layer.spots:
            lines.append(per_layer)
            legend.append({"kind": "key-per-layer", "text": "same cost per layer, as in the paper"})
    return lines, legend
