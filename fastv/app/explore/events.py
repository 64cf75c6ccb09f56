"""What happens on the explorer when a control moves or a spot is chosen, and how it keeps in step with Compare."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.explore import cost_map_html, link, pareto_html, state
from fastv.app.explore.device_html import device_pane
from fastv.app.explore.equivalence_html import equivalence_pane
from fastv.app.explore.flops_html import flops_pane
from fastv.app.explore.layout import SCORE, Explorer, k_slider, layout, r_slider
from fastv.app.explore.state import OWN, shape_of
from fastv.app.hosting.event_options import INSTANT, QUIET, TYPED
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.hosting.uploads import upload_path
from fastv.app.shared import status
from fastv.app.shared.copy_link import connect_copy
from fastv.app.shared.tab import BuiltTab, SharedPruning, TabContext, Updates, Values, or_skip
from fastv.costs import configs
from fastv.errors import FastVError, InvalidInputError
from fastv.evidence import pareto
from fastv.evidence.measurements import all_measured

logger = logging.getLogger(__name__)


def build(context: TabContext) -> BuiltTab:
    """Lays the explorer out in the Blocks that are open and connects it, to the shared K and R too."""
    shared = context.pruning
    explorer = layout(shared.k.value, shared.r.value) if shared else layout(2, 50.0)
    for component, pane in zip(explorer.panes, panes(*(control.value for control in explorer.controls))):
        component.value = pane
    _connect_controls(explorer)
    _connect_pruning(explorer, shared)
    if shared:
        _connect_opening(explorer, shared, context.container)
    _connect_link(explorer)
    return BuiltTab(explorer.query, tuple(link.outputs(explorer)), lambda query: link.followed(explorer, query, panes))


def panes(*values: Any) -> list[str]:
    """All panes as HTML for the controls' values: problem, map, equivalence, FLOPs, device, frontier.

    Where the values cannot be used, the problem says why and the rest stays as it is.
    """
    *asked, device, axis, benchmark = values
    try:
        chosen = state.settings(*asked)
        return [
            "",
            cost_map_html.map_pane(chosen, benchmark),
            equivalence_pane(chosen),
            flops_pane(chosen),
            device_pane(chosen, device),
            pareto_html.frontier_pane(chosen, axis, benchmark),
        ]
    except FastVError as error:
        problem = str(error)
    except Exception:
        logger.exception("the explorer failed")
        problem = INTERNAL_ERROR
    return [status.problem(problem), *[gr.skip()] * 5]


def chosen_spot(spot: Mapping[str, Any], model: str, own: str, k: int) -> tuple[str, int, int, float]:
    """(model, its layers, K, R in percent) of a spot that was clicked. Raises FastVError for what is no spot.

    A dot without FastV has no K: it is R = 0 at the K there was.
    """
    try:
        wanted = spot.get("model") or model
        target = wanted if wanted in configs.known() else model
        shape = shape_of(target, own)
        new_k, r = int(spot["k"]) if spot["k"] != "" else int(k), float(spot["r"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FastVError):
            raise
        raise InvalidInputError("That is no point of the map.") from error
    layers = shape.decoder.layers
    if not (0 <= r <= 1 and new_k >= 0):
        raise InvalidInputError("That is no point of the map.")
    return target, layers, min(new_k, layers - 1), round(100 * r, 1)


def _connect_controls(explorer: Explorer) -> None:
    inputs = set(explorer.controls)
    others = inputs - {explorer.model, explorer.k, explorer.r, explorer.own_text}

    def redrawn(values: Values) -> Updates:
        return _redrawn(explorer, values)

    def own_changed(values: Values) -> Updates:
        return _own_changed(explorer, values)

    def model_changed(values: Values) -> Updates:
        return _model_changed(explorer, values)

    gr.on([control.input for control in others], redrawn, inputs, explorer.panes, **TYPED)
    explorer.own_text.change(own_changed, inputs, [explorer.k, *explorer.panes], **TYPED)
    explorer.own_file.upload(
        _own_file, [explorer.own_file], [explorer.own_text, explorer.problem], preprocess=False, **QUIET
    )
    explorer.model.input(
        model_changed, inputs, [explorer.own_box, explorer.benchmark, explorer.k, *explorer.panes], **TYPED
    )
    explorer.measure.input(_relative, explorer.measure, explorer.relative, **TYPED)


def _redrawn(explorer: Explorer, values: Values) -> Updates:
    """The panes for the controls' values."""
    return dict(zip(explorer.panes, panes(*(values[control] for control in explorer.controls)), strict=True))


def _connect_pruning(explorer: Explorer, shared: SharedPruning | None) -> None:
    """K and R, by slider or by a spot that is clicked, are the same on all tabs as far as the models have the layer."""
    inputs = {*explorer.controls, *(shared.inputs if shared else ())}
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

    gr.on([explorer.k.input, explorer.r.input], moved, inputs, [*outputs, *explorer.panes], **TYPED)
    gr.on(
        [pane.click for pane in (explorer.map, explorer.equivalence, explorer.frontier)],
        clicked,
        inputs,
        [explorer.model, explorer.own_box, explorer.k, explorer.r, *outputs, *explorer.panes],
        trigger_mode="always_last",
        **INSTANT,
    )


def _connect_opening(explorer: Explorer, shared: SharedPruning, tab: gr.Tab) -> None:
    """Takes over the K and R that were chosen on other tabs since."""

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
        {explorer.met, shared.k, shared.r, *explorer.controls},
        [explorer.met, explorer.k, explorer.r, *explorer.panes],
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
    """A model has its own layers and its own kind of scores; a config of one's own has to be pasted first."""
    model = values[explorer.model]
    if model == OWN and not (values[explorer.own_text] or "").strip():
        return {explorer.own_box: gr.Accordion(visible=True)}
    benchmark = scores_of(model, values[explorer.benchmark])
    return {
        explorer.own_box: gr.Accordion(visible=model == OWN),
        explorer.benchmark: benchmark,
        **_own_changed(explorer, {**values, explorer.benchmark: benchmark}),
    }


def scores_of(model: str, benchmark: str) -> str:
    """``benchmark``, unless it has no scores of the model: only models that were measured here answered the scenes."""
    drawn = model in all_measured()
    if drawn == (benchmark == pareto.SCENES):
        return benchmark
    return pareto.SCENES if drawn else SCORE


def _relative(measure: str) -> Any:
    """Scores are no percent of anything."""
    return gr.Radio(visible=measure != cost_map_html.QUALITY)


def _own_changed(explorer: Explorer, values: Values) -> Updates:
    """The panes, and K within the layers of the model they are of."""
    shown = _redrawn(explorer, values)
    if shown[explorer.problem]:
        return shown
    layers = shape_of(values[explorer.model], values[explorer.own_text]).decoder.layers
    return {explorer.k: k_slider(min(values[explorer.k], layers - 1), layers), **shown}


def _own_file(upload: Any) -> tuple:
    """The text of a file somebody chose, if it is small enough to be a config."""
    try:
        path = Path(upload_path(upload))
        if path.stat().st_size > configs.LONGEST_CONFIG:
            raise InvalidInputError(f"The file is larger than {configs.LONGEST_CONFIG:,} bytes: no config is.")
        return path.read_text(encoding="utf-8"), ""
    except UnicodeDecodeError:
        return gr.skip(), status.problem("The file is not a text: choose a config.json.")
    except FastVError as error:
        return gr.skip(), status.problem(str(error))
