"""Events of the Explore tab: its controls, cells and points that are selected, K and R shared with other tabs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.explore import link
from fastv.app.explore.exhibit_html import exhibit_pane
from fastv.app.explore.layout import SCORE, Explorer, k_slider, layout, map_controls, r_slider
from fastv.app.explore.panes import panes
from fastv.app.explore.state import Choices, shape_of
from fastv.app.hosting.event_options import INSTANT, QUIET, TYPED
from fastv.app.hosting.uploads import upload_path
from fastv.app.shared import status
from fastv.app.shared.copy_link import connect_copy
from fastv.app.shared.model_names import OWN
from fastv.app.shared.tab import BuiltTab, SharedPruning, TabContext, Updates, Values, or_skip
from fastv.costs import configs
from fastv.errors import FastVError, InvalidInputError
from fastv.evidence import pareto
from fastv.evidence.measurements import all_measured
from fastv.validation import whole

logger = logging.getLogger(__name__)


def build(context: TabContext) -> BuiltTab:
    """Lay the tab out in the Blocks that are open and connect it, also to the K and R shared by all tabs."""
    shared = context.pruning
    explorer = layout(shared.k.value, shared.r.value) if shared else layout(2, 50.0)
    begin = panes(Choices(**{name: control.value for name, control in explorer.controls.items()}))
    for name, component in explorer.panes.items():
        component.value = begin[name]
    _connect_controls(explorer)
    context.sweep = explorer.sweep
    _connect_pruning(explorer, shared)
    if shared:
        _connect_opening(explorer, shared, context.container)
    _connect_link(explorer)
    return BuiltTab(explorer.query, tuple(link.outputs(explorer)), lambda query: link.followed(explorer, query, panes))


def chosen_spot(spot: Mapping[str, Any], model: str, own: str, k: int) -> tuple[str, int, int, float]:
    """Read a cell, point or button that was clicked.

    Parameters
    ----------
    spot : mapping
        ``k``, ``r`` (a fraction) and ``model`` as text, as the browser sends them. A point without FastV has no K: it
        is R = 0 at the present K.
    model, own, k
        The present model, the text of a config, and K.

    Returns
    -------
    (str, int, int, float)
        Model, its layers, K, and R in percent.

    Raises
    ------
    FastVError
        For anything else.
    """
    try:
        wanted = spot.get("model") or model
        target = wanted if wanted in configs.known() else model
        shape = shape_of(target, own)
        new_k, r = int(spot["k"]) if spot["k"] != "" else int(k), float(spot["r"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FastVError):
            raise
        raise InvalidInputError("This is not a point of the map.") from error
    layers = shape.decoder.layers
    if not (0 <= r <= 1 and new_k >= 0):
        raise InvalidInputError("This is not a point of the map.")
    return target, layers, min(new_k, layers - 1), round(100 * r, 1)


def _choices(explorer: Explorer, values: Values) -> Choices:
    return Choices(**{name: values[control] for name, control in explorer.controls.items()})


def _redrawn(explorer: Explorer, values: Values) -> Updates:
    """The panes for the controls' values."""
    shown = panes(_choices(explorer, values))
    return {component: shown[name] for name, component in explorer.panes.items()}


def _connect_controls(explorer: Explorer) -> None:
    controls, shown = set(explorer.controls.values()), list(explorer.panes.values())
    plain = controls - {getattr(explorer, name) for name in ("model", "k", "r", "own_text", "axis", "benchmark")}

    def redrawn(values: Values) -> Updates:
        return _redrawn(explorer, values)

    def own_changed(values: Values) -> Updates:
        return _own_changed(explorer, values)

    def model_changed(values: Values) -> Updates:
        return _model_changed(explorer, values)

    def axis_changed(values: Values) -> Updates:
        return _axis_changed(explorer, values)

    def benchmark_changed(values: Values) -> Updates:
        return _benchmark_changed(explorer, values)

    gr.on([control.input for control in plain], redrawn, controls, shown, **TYPED)
    explorer.axis.input(axis_changed, controls, [explorer.benchmark, *shown], **TYPED)
    explorer.benchmark.input(benchmark_changed, controls, [explorer.axis, *shown], **TYPED)
    explorer.own_text.change(own_changed, controls, [explorer.k, *shown], **TYPED)
    explorer.own_file.upload(
        _own_file, [explorer.own_file], [explorer.own_text, explorer.problem], preprocess=False, **QUIET
    )
    explorer.model.input(
        model_changed, controls, [explorer.own_box, explorer.axis, explorer.benchmark, explorer.k, *shown], **TYPED
    )
    explorer.measure.input(map_controls, explorer.measure, [explorer.relative, explorer.quality_method], **TYPED)
    explorer.exhibit_box.expand(exhibit_pane, None, explorer.exhibit, **INSTANT)  # large, and few look


def _axis_changed(explorer: Explorer, values: Values) -> Updates:
    """A cost brings a score that was published or measured with it."""
    try:
        benchmark = pareto.benchmark_for(values[explorer.axis], values[explorer.benchmark])
    except FastVError as error:
        return {explorer.problem: status.problem(str(error))}
    return {explorer.benchmark: benchmark, **_redrawn(explorer, {**values, explorer.benchmark: benchmark})}


def _benchmark_changed(explorer: Explorer, values: Values) -> Updates:
    """A score brings a cost that was published or measured with it."""
    try:
        axis = pareto.axis_for(values[explorer.benchmark], values[explorer.axis])
    except FastVError as error:
        return {explorer.problem: status.problem(str(error))}
    return {explorer.axis: axis, **_redrawn(explorer, {**values, explorer.axis: axis})}


def _connect_pruning(explorer: Explorer, shared: SharedPruning | None) -> None:
    """K and R, by slider or by clicking, are the same on all tabs as far as the models have the layer."""
    inputs = {*explorer.controls.values(), *(shared.inputs if shared else ())}
    outputs = [explorer.met, *(shared.outputs if shared else ())]

    def shared_updates(values: Values, k: int, r_percent: float) -> Updates:
        if shared is None:
            return {}
        changes = shared.set(values, k, r_percent)
        met = (k, r_percent) if shared.k in changes else (values[shared.k], values[shared.r])
        return {explorer.met: met, **changes}

    def moved(values: Values) -> Updates:
        shown = _redrawn(explorer, values)
        if shown[explorer.problem]:  # a field may be empty while it is being edited
            return shown
        return shown | shared_updates(values, values[explorer.k], values[explorer.r])

    def clicked(event: gr.EventData, values: Values) -> Updates:
        spot = {name: getattr(event, name, None) for name in ("k", "r", "model")}
        try:
            model, layers, k, r_percent = chosen_spot(
                spot, values[explorer.model], values[explorer.own_text], values[explorer.k]
            )
        except FastVError as error:
            return {explorer.problem: status.problem(str(error))}
        chosen = {explorer.model: model, explorer.k: k, explorer.r: r_percent}
        return {
            explorer.model: model,
            explorer.own_box: gr.Accordion(visible=model == OWN),
            explorer.k: k_slider(k, layers),
            explorer.r: r_slider(r_percent),
            **_redrawn(explorer, {**values, **chosen}),
            **shared_updates(values, k, r_percent),
        }

    gr.on([explorer.k.input, explorer.r.input], moved, inputs, [*outputs, *explorer.panes.values()], **TYPED)
    gr.on(
        [
            pane.click
            for pane in (explorer.advice, explorer.map, explorer.equivalence, explorer.frontier, explorer.sweep)
        ],
        clicked,
        inputs,
        [explorer.model, explorer.own_box, explorer.k, explorer.r, *outputs, *explorer.panes.values()],
        trigger_mode="always_last",
        **INSTANT,
    )


def _connect_opening(explorer: Explorer, shared: SharedPruning, tab: gr.Tab) -> None:
    """Take over the K and R that were chosen on other tabs since."""

    def opened(values: Values) -> Updates:
        chosen = (values[shared.k], values[shared.r])
        if tuple(values[explorer.met]) == chosen:
            return or_skip({})
        return {
            explorer.met: chosen,
            explorer.k: chosen[0],
            explorer.r: r_slider(chosen[1]),
            **_redrawn(explorer, {**values, explorer.k: chosen[0], explorer.r: chosen[1]}),
        }

    tab.select(
        opened,
        {explorer.met, shared.k, shared.r, *explorer.controls.values()},
        [explorer.met, explorer.k, explorer.r, *explorer.panes.values()],
        **INSTANT,
    )


def _connect_link(explorer: Explorer) -> None:
    controls = list(link.linked(explorer).values())
    gr.on(
        [control.change for control in controls],
        lambda *values: link.query_of(explorer, list(values)),
        controls,
        explorer.query,
        **TYPED,
    )
    connect_copy(explorer.copy)


def _model_changed(explorer: Explorer, values: Values) -> Updates:
    """A model has its own layers, and its own kind of scores where it was measured here."""
    model = values[explorer.model]
    try:
        benchmark = scores_of(model, values[explorer.benchmark])
        axis = pareto.axis_for(benchmark, values[explorer.axis])
    except FastVError as error:
        return {explorer.problem: status.problem(str(error))}
    return {
        explorer.own_box: gr.Accordion(visible=model == OWN),
        explorer.benchmark: benchmark,
        explorer.axis: axis,
        **_own_changed(explorer, {**values, explorer.benchmark: benchmark, explorer.axis: axis}),
    }


def scores_of(model: str, benchmark: str) -> str:
    """``benchmark``, unless it has no scores of the model: drawn scenes were asked of the models measured here only."""
    drawn = model in all_measured()
    if drawn == (benchmark == pareto.SCENES):
        return benchmark
    return pareto.SCENES if drawn else SCORE


def _own_changed(explorer: Explorer, values: Values) -> Updates:
    """The panes, and K within the model's layers."""
    shown = _redrawn(explorer, values)
    try:
        layers = shape_of(values[explorer.model], values[explorer.own_text]).decoder.layers
        k = min(whole(values[explorer.k], "K", low=0, allow_float=True, error=InvalidInputError), layers - 1)
    except FastVError:
        return shown
    return {explorer.k: k_slider(k, layers), **shown}


def _own_file(upload: Any) -> tuple:
    """The text of an uploaded file, if it is small enough to be a config."""
    try:
        path = Path(upload_path(upload))
        if path.stat().st_size > configs.LONGEST_CONFIG:
            raise InvalidInputError(
                f"The file is larger than {configs.LONGEST_CONFIG:,} bytes, too large for a config.json."
            )
        return path.read_text(encoding="utf-8"), ""
    except UnicodeDecodeError:
        return gr.skip(), status.problem("The file is not text: choose a config.json.")
    except FastVError as error:
        return gr.skip(), status.problem(str(error))
