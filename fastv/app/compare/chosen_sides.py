"""The sides chosen on the page: from the components' values to plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastv.app.compare.components import CompareControls
from fastv.app.compare.method_options import options_of
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSide, ChosenSides
from fastv.app.shared.tab import Values
from fastv.errors import InvalidBudgetError
from fastv.measurement.results import Setup
from fastv.pruning.config import PruningConfig
from fastv.validation import real, whole


def chosen_sides(ui: CompareControls, values: Values) -> ChosenSides:
    """The sides that the values of ``ui.side_inputs`` amount to.

    R = 0 is without pruning. Where a model would then be compared with itself, the candidate is pruned with R = 0
    instead, which shows what pruning alone changes.

    Raises
    ------
    InvalidBudgetError
        For a field that is empty or out of range.
    """
    method, panel = values[ui.method], ui.baseline
    candidate = pruning_of(method, values[ui.k], values[ui.r], values[ui.options])
    baseline = pruning_of(values[panel.method] or method, values[panel.k], values[panel.r], values[panel.options])
    model = values[ui.in_use]
    other = values[panel.in_use] or model
    if candidate.r == 0 and (baseline.r or other != model):
        return ChosenSides(ChosenSide(model), ChosenSide(other, _unless_none(baseline)))
    return ChosenSides(ChosenSide(model, candidate), ChosenSide(other, _unless_none(baseline)))


def pruning_of(method: Any, k: Any, r_percent: Any, ticked: Iterable[str] | None = None) -> PruningConfig:
    """A config from a method, two sliders and ticked options. Raises InvalidBudgetError for a field that is wrong."""
    layer = whole(k, "K", low=0, error=InvalidBudgetError, allow_float=True)
    percent = real(r_percent, "R", low=0, high=100, error=InvalidBudgetError)
    return PruningConfig(method, layer, round(percent / 100, 4)).with_options(options_of(ticked))


def _unless_none(pruning: PruningConfig) -> PruningConfig | None:
    return pruning if pruning.r else None


def setups(pool: ModelPool, sides: ChosenSides) -> tuple[Setup, Setup]:
    """Baseline and candidate as the results will describe them. Raises ModelLoadError for an unknown model."""
    return tuple(pool.setup(side.model, side.pruning) for side in (sides.baseline, sides.candidate))  # type: ignore[return-value]
