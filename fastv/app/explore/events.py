"""What happens on the explorer when a control moves or a spot is chosen, and how it keeps in step with Compare."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.compare import export
from fastv.app.compare.components import CompareControls
from fastv.app.compare.events import layers_of, sentence
from fastv.app.explore import cost_map_html, link, pareto_html, state
from fastv.app.explore.device_html import device_pane
from fastv.app.explore.equivalence_html import equivalence_pane
from fastv.app.explore.flops_html import flops_pane
from fastv.app.explore.layout import SCORE, Explorer, k_slider, layout, r_slider
from fastv.app.explore.state import OWN, shape_of
from fastv.app.hosting.event_options import INSTANT, QUIET, TYPED
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared import budget_choices, status
from fastv.costs import configs
from fastv.errors import FastVError, InvalidInputError
from fastv.evidence import pareto
from fastv.evidence.measurements import all_measured

logger = logging.getLogger(__name__)


def build(pool: ModelPool, compare: CompareControls, tab: gr.Tab) -> Explorer:
    """Lays the explorer out in the Blocks that are open and connects it, to the comparison too; returns its components."""
    explorer = layout(compare.k.value, compare.r.value)
    for component, pane in zip(explorer.panes, panes(*(control.value for control in explorer.controls))):
        component.value = pane
    _connect_controls(explorer)
    _connect_budget(explorer, compare, pool, tab)
    _connect_link(explorer)
    return explorer


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


def compare_updates(
    pool: ModelPool, in_use: str, offered: list[budget_choices.Choice], k: int, r_percent: float
) -> list:
    """What the comparison is at, its sliders, preset and sentence; all as they are where its model has no layer K."""
    if not pool.is_loaded(in_use) or k >= layers_of(pool.load(in_use)):
        return [gr.skip()] * 5
    name = budget_choices.name_of(offered, k, r_percent)
    return [(k, r_percent), k, r_slider(r_percent), name, sentence(offered, name, in_use, k, r_percent)]


def _connect_controls(explorer: Explorer) -> None:
    others = [
        control
        for control in explorer.controls
        if control not in (explorer.model, explorer.k, explorer.r, explorer.own_text)
    ]
    gr.on([control.input for control in others], panes, explorer.controls, explorer.panes, **TYPED)
    explorer.own_text.change(_own_changed, explorer.controls, [explorer.k, *explorer.panes], **TYPED)
    explorer.own_file.upload(
        _own_file, [explorer.own_file], [explorer.own_text, explorer.problem], preprocess=False, **QUIET
    )
    explorer.model.input(
        _model_changed, explorer.controls, [explorer.own_box, explorer.benchmark, explorer.k, *explorer.panes], **TYPED
    )
    explorer.measure.input(_relative, explorer.measure, explorer.relative, **TYPED)


def _connect_budget(explorer: Explorer, compare: CompareControls, pool: ModelPool, tab: gr.Tab) -> None:
    """K and R are the same everywhere in the app, as far as the models have the layer."""
    theirs = [explorer.met, compare.k, compare.r, compare.preset, compare.sentence]
    known = [compare.in_use, compare.offered]

    def moved(in_use: str, offered: list, model: str, own: str, k: int, r_percent: float, *rest: Any) -> list:
        shown = panes(model, own, k, r_percent, *rest)
        if shown[0]:  # a field may be empty while somebody types
            return [gr.skip()] * 5 + shown
        return [*compare_updates(pool, in_use, offered, k, r_percent), *shown]

    def clicked(
        event: gr.EventData, in_use: str, offered: list, model: str, own: str, k: int, _: float, *rest: Any
    ) -> list:
        spot = {name: getattr(event, name, None) for name in ("k", "r", "model")}
        try:
            model, layers, k, r_percent = chosen_spot(spot, model, own, k)
        except FastVError as error:
            return [gr.skip()] * 9 + [status.problem(str(error)), *[gr.skip()] * 5]
        controls = [model, gr.Accordion(visible=model == OWN), k_slider(k, layers), r_slider(r_percent)]
        return [
            *controls,
            *compare_updates(pool, in_use, offered, k, r_percent),
            *panes(model, own, k, r_percent, *rest),
        ]

    def opened(
        met: tuple, k: int, r_percent: float, model: str, own: str, _k_before: int, _r_before: float, *rest: Any
    ) -> list:
        """Takes over what was chosen on Compare since the two last met."""
        if tuple(met) == (k, r_percent):
            return [gr.skip()] * (3 + len(explorer.panes))
        return [(k, r_percent), k, r_slider(r_percent), *panes(model, own, k, r_percent, *rest)]

    gr.on(
        [explorer.k.input, explorer.r.input], moved, [*known, *explorer.controls], [*theirs, *explorer.panes], **TYPED
    )
    gr.on(
        [pane.click for pane in (explorer.map, explorer.equivalence, explorer.frontier)],
        clicked,
        [*known, *explorer.controls],
        [explorer.model, explorer.own_box, explorer.k, explorer.r, *theirs, *explorer.panes],
        trigger_mode="always_last",
        **INSTANT,
    )
    tab.select(
        opened,
        [explorer.met, compare.k, compare.r, *explorer.controls],
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
    ).then(None, explorer.query, None, js=link.REMEMBER, **QUIET)
    export.connect_copy(explorer.copy)


def _model_changed(model: str, own: str, *rest: Any) -> list:
    """A model brings its own layers and its own kind of scores; somebody's own config has to be there first."""
    if model == OWN and not (own or "").strip():
        return [gr.Accordion(visible=True), *[gr.skip()] * 8]
    *others, benchmark = rest
    benchmark = scores_of(model, benchmark)
    return [gr.Accordion(visible=model == OWN), benchmark, *_own_changed(model, own, *others, benchmark)]


def scores_of(model: str, benchmark: str) -> str:
    """``benchmark``, unless it has nothing of the model: drawn scenes are what those that were measured here answer."""
    drawn = model in all_measured()
    if drawn == (benchmark == pareto.SCENES):
        return benchmark
    return pareto.SCENES if drawn else SCORE


def _relative(measure: str) -> Any:
    """Scores are no percent of anything."""
    return gr.Radio(visible=measure != cost_map_html.QUALITY)


def _own_changed(model: str, own: str, k: int, *rest: Any) -> list:
    """The panes, and K within the layers of the model they are of."""
    shown = panes(model, own, k, *rest)
    if shown[0]:
        return [gr.skip(), *shown]
    layers = shape_of(model, own).decoder.layers
    return [k_slider(min(k, layers - 1), layers), *shown]


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
