"""At which (K, R) a model costs what the smaller one costs, by FLOPs and by time to first token, as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from fastv.app.explore.state import ExploreSettings
from fastv.app.shared.model_names import name_of
from fastv.costs.cost_map import rows_for
from fastv.costs.solver import NotReachable, Solution, Target, Workload, solve
from fastv.evidence.latency_solver import TimeSolution, solve_time
from fastv.evidence.measurements import measured
from fastv.evidence.published import LatencyRow
from fastv.evidence.published_latency import PublishedTimes, published_times
from fastv.families.shapes import ModelShape
from fastv.formatting import percent, sized
from fastv.presentation.html import render

# Columns of the table of equivalents -> quantity and convention of fastv.costs.solver.
_BASES = {
    "total": ("decoder_prefill_flops", "paper"),
    "exact": ("decoder_prefill_flops", "exact"),
    "per-layer": ("layer_average_flops", "paper"),
}


@dataclass(frozen=True)
class _Card:
    """One way to be as cheap: K and R of its button, or neither, and a sentence."""

    kind: str
    title: str
    note: str
    text: str
    k: int | None = None
    r: float | None = None


def equivalence_pane(chosen: ExploreSettings) -> Markup:
    """As cheap as the smaller model in total, per layer and by time; why these differ; and R for every K."""
    small = name_of(chosen.small)
    if chosen.model == chosen.small:
        return render("app/explore/equivalence", small=small, is_small=True)
    rows = {k: [_cell(chosen, basis, k) for basis in _BASES] for k in rows_for(chosen.shape)}
    return render(
        "app/explore/equivalence",
        small=small,
        is_small=False,
        name=chosen.name,
        text_tokens=chosen.workload.text_tokens,
        visual_tokens=chosen.workload.visual_tokens,
        cards=[
            _flops_card(chosen, "total", "In total", "FLOPs of all decoder layers"),
            _flops_card(chosen, "per-layer", "Per layer", "FLOPs of the average layer, as in the paper's Table 1"),
            _time_card(chosen),
        ],
        why=_why(chosen),
        table=rows if any(cell is None or cell["r"] for cells in rows.values() for cell in cells) else {},
    )


@lru_cache(maxsize=512)
def _equivalent(
    shape: ModelShape, workload: Workload, small: ModelShape, small_workload: Workload, basis: str, k: int
) -> Solution | NotReachable:
    quantity, convention = _BASES[basis]
    target = Target.of_model(small, small_workload, quantity, convention)
    return solve(shape, workload, target, k)


def _r_at(chosen: ExploreSettings, basis: str, k: int) -> Solution | NotReachable:
    return _equivalent(chosen.shape, chosen.workload, chosen.small_shape, chosen.small_workload, basis, k)


def _slider_r(r: float) -> float:
    """R in tenths of a percent, as the slider has it."""
    return round(r, 3)


def _share(chosen: ExploreSettings, k: int | None, r: float, quantity: str = "decoder_prefill_flops") -> float:
    """Decoder FLOPs (paper's formula) as a fraction of the smaller model's without FastV."""
    own = chosen.workload.cost(chosen.shape, k, r, "paper")
    small = chosen.small_workload.cost(chosen.small_shape, None, 0.0, "paper")
    return float(getattr(own, quantity) / getattr(small, quantity))


def _is_free(found: Solution | TimeSolution, visual_tokens: int) -> bool:
    """Whether nothing has to be dropped."""
    return found.kept == visual_tokens


def _flops_card(chosen: ExploreSettings, basis: str, title: str, note: str) -> _Card:
    found, small = _r_at(chosen, basis, chosen.k), name_of(chosen.small)
    if isinstance(found, NotReachable):
        return _Card(basis, title, note, f"Not reachable at K={chosen.k}. {found.reason}")
    if _is_free(found, chosen.workload.visual_tokens):
        share = percent(_share(chosen, None, 0.0, _BASES[basis][0]))
        return _Card(basis, title, note, f"No pruning needed: without FastV it costs {share} of {small}.")
    text = (
        f"{found.kept:,} of {chosen.workload.visual_tokens:,} visual tokens kept; equal cost at "
        f"R={percent(found.continuous_r)}. In total {percent(_share(chosen, found.k, found.r))} of {small}'s FLOPs."
    )
    return _Card(basis, title, note, text, found.k, _slider_r(found.r))


def _cell(chosen: ExploreSettings, basis: str, k: int) -> dict[str, Any] | None:
    """R of one row and column of the table; None where it is not reachable."""
    found = _r_at(chosen, basis, k)
    if isinstance(found, NotReachable):
        return None
    return {
        "r": _slider_r(found.r),
        "continuous_r": found.continuous_r,
        "already_cheaper": _is_free(found, chosen.workload.visual_tokens),
    }


def _why(chosen: ExploreSettings) -> str:
    """Why total and per layer differ; empty where that does not matter."""
    layers, less = chosen.shape.decoder.layers, chosen.small_shape.decoder.layers
    if layers == less:
        return f"Both models have {layers} layers, so the two counts of FLOPs agree."
    if layers < less:
        return ""
    small = name_of(chosen.small)
    return (
        f"The paper compares the average layer. {chosen.name} has {layers} layers, {small} {less}: at equal cost per "
        f"layer it still takes {percent(layers / less)} of {small}'s FLOPs. "
        "For the cost of the whole prompt, use the total."
    )


def _time_card(chosen: ExploreSettings) -> _Card:
    """As fast to the first token, by times measured here, else by published ones, else unknown."""
    note = "to the first token"
    small = measured(chosen.small)
    if small is not None and measured(chosen.model) is not None:
        return _measured_time(chosen, small.unpruned.first_token_seconds, str(small.machine["device"]))
    found = published_times(chosen.model, chosen.small, chosen.workload.visual_tokens, chosen.k)
    if found is not None:
        return _published_time(chosen, found)
    text = f"Unknown: {chosen.name} and {name_of(chosen.small)} were not timed on the same device."
    return _Card("time", "In time", note, text)


def _measured_time(chosen: ExploreSettings, seconds: float, device: str) -> _Card:
    title, note, small = "In time", "to the first token, measured here", name_of(chosen.small)
    found = solve_time(measured(chosen.model), seconds, chosen.k, device=device)
    if isinstance(found, NotReachable):
        return _Card("time", title, note, f"Not reachable at K={chosen.k}. {found.reason}")
    if not isinstance(found, TimeSolution):
        return _Card("time", title, note, f"Unknown at K={chosen.k}. {found.reason}")
    text = (
        f"{sized(seconds, 'seconds')}, as {small} without FastV, on {device}. Interpolated between measured "
        f"R={percent(found.between[0])} and {percent(found.between[1])}."
    )
    return _Card("time", title, note, text, found.k, _slider_r(found.r))


def _published_time(chosen: ExploreSettings, found: PublishedTimes) -> _Card:
    title, note = "In time", f"to the first token, published for one image on {found.device}, {found.precision}"
    rows = ", ".join(_time_of(row) for row in found.neighbors)
    text = (
        f"{name_of(chosen.small)} {found.reference.first_token_seconds:.3f} s; {chosen.name} {rows} ({found.source})."
    )
    solution = found.solution
    if isinstance(solution, NotReachable):
        return _Card("time", title, note, f"Not reachable at any published R. {text}")
    return _Card("time", title, note, f"{text} R is interpolated.", solution.k, _slider_r(solution.r))


def _time_of(row: LatencyRow) -> str:
    setting = "without FastV" if row.k is None else f"at R={percent(row.r)}"
    return f"{row.first_token_seconds:.3f} s {setting}"
