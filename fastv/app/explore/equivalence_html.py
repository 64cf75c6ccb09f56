"""At which (K, R) a model costs what the smaller one costs, by FLOPs and by time to first token, as HTML."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from markupsafe import Markup

from fastv.app.explore.state import Settings, name_of
from fastv.costs.cost_map import rows_for
from fastv.costs.solver import NotReachable, Solution, Target, Workload, solve
from fastv.evidence import published
from fastv.evidence.latency_solver import TimeSolution, solve_time
from fastv.evidence.measurements import measured
from fastv.families.shapes import ModelShape
from fastv.formatting import budget, sized
from fastv.presentation.html import render

# Columns of the table of equivalents -> quantity and convention of fastv.costs.solver.
_BASES = {
    "total": ("decoder_prefill_flops", "paper"),
    "exact": ("decoder_prefill_flops", "exact"),
    "per-layer": ("layer_average_flops", "paper"),
}


def equivalence_pane(chosen: Settings) -> Markup:
    """As cheap as the smaller model: in total and per layer, why they differ, by time, and R for every K."""
    small = name_of(chosen.small)
    if chosen.model == chosen.small:
        return render("app/explore/equivalence", small=small, is_small=True)
    return render(
        "app/explore/equivalence",
        small=small,
        is_small=False,
        name=chosen.name,
        k=chosen.k,
        layers=chosen.shape.decoder.layers,
        small_layers=chosen.small_shape.decoder.layers,
        text_tokens=chosen.workload.text_tokens,
        visual_tokens=chosen.workload.visual_tokens,
        cards=[
            _card(chosen, "total", "In total", "all decoder layers together"),
            _card(chosen, "per-layer", "Per layer", "their average, as in the paper's Table 1"),
        ],
        published=_published_times() if chosen.model == "llava-1.5-13b" else [],
        time=_same_time(chosen),
        rows=[{"k": k, "cells": [_cell(chosen, basis, k) for basis in _BASES]} for k in rows_for(chosen.shape)],
    )


@lru_cache(maxsize=512)
def _equivalent(
    shape: ModelShape, workload: Workload, small: ModelShape, small_workload: Workload, basis: str, k: int
) -> Solution | NotReachable:
    quantity, convention = _BASES[basis]
    target = Target.of_model(small, small_workload, quantity, convention)
    return solve(shape, workload, target, k)


def _r_at(chosen: Settings, basis: str, k: int) -> Solution | NotReachable:
    return _equivalent(chosen.shape, chosen.workload, chosen.small_shape, chosen.small_workload, basis, k)


def _slider_r(r: float) -> float:
    """R in tenths of a percent, as the slider has it."""
    return round(r, 3)


def _card(chosen: Settings, basis: str, title: str, note: str) -> dict[str, Any]:
    found, card = _r_at(chosen, basis, chosen.k), {"basis": basis, "title": title, "note": note}
    if isinstance(found, NotReachable):
        return card | {"reason": found.reason}
    total = chosen.workload.cost(chosen.shape, found.k, found.r, "paper").decoder_prefill_flops
    whole = chosen.small_workload.cost(chosen.small_shape, None, 0.0, "paper").decoder_prefill_flops
    return card | {
        "reason": "",
        "k": found.k,
        "r": _slider_r(found.r),
        "kept": found.kept,
        "continuous_r": found.continuous_r,
        "share": total / whole,
    }


def _cell(chosen: Settings, basis: str, k: int) -> dict[str, float] | None:
    found = _r_at(chosen, basis, k)
    if isinstance(found, NotReachable):
        return None
    return {"r": _slider_r(found.r), "continuous_r": found.continuous_r}


def _same_time(chosen: Settings) -> dict[str, Any]:
    """As fast as the smaller model, by times measured here; or a sentence why that is not known (``r`` is None)."""
    small, name = measured(chosen.small), name_of(chosen.small)
    if small is None or measured(chosen.model) is None:
        reason = (
            f"At which R it is as fast as {name} is not known here: no times to the first token were measured of both."
        )
        return {"r": None, "reason": reason}
    seconds, device = small.unpruned.first_token_seconds, str(small.machine["device"])
    found = solve_time(measured(chosen.model), seconds, chosen.k, device=device)
    if not isinstance(found, TimeSolution):
        told = "not reachable" if isinstance(found, NotReachable) else "not known"
        return {"r": None, "reason": f"As fast as {name}: {told} at K={chosen.k}. {found.reason}"}
    return {
        "k": found.k,
        "r": _slider_r(found.r),
        "seconds": sized(seconds, "seconds"),
        "device": device,
        "between": found.between,
    }


def _published_times() -> list[dict[str, Any]]:
    """The published times that tell which of the two is right."""
    return [
        {
            "name": name_of(row.model),
            "setting": "without FastV" if row.k is None else budget(row.k, row.r),
            "seconds": row.first_token_seconds,
        }
        for row in published.latency()
        if row.source == "official README"
        and row.precision == "fp16"
        and (row.model, row.r) in (("llava-1.5-7b", 0.0), ("llava-1.5-13b", 0.5), ("llava-1.5-13b", 0.75))
    ]
