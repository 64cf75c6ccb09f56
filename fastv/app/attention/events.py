"""Events of the Attention tab: what to ask, reading it, and K and R shared with other tabs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from random import SystemRandom
from secrets import token_hex
from typing import Any

import gradio as gr

from fastv.app.attention.layout import AttentionControls, layout
from fastv.app.attention.link import AttentionLink, attention_link, view_of
from fastv.app.attention.recorded import FIRST, QUESTION, SCENE, recorded
from fastv.app.attention.scene_things import things_of
from fastv.app.attention.xray_html import recorded_xray, xray
from fastv.app.hosting.event_options import INSTANT, ONE_AT_A_TIME, QUIET, TYPED
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.attention import read_attention
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import example_scenes, status
from fastv.app.shared.copy_link import connect_copy
from fastv.app.shared.deep_link import OWN_PICTURE, link_of
from fastv.app.shared.image_choice import chosen_seed
from fastv.app.shared.model_choices import first_readable, readable_models
from fastv.app.shared.tab import BuiltTab, SharedPruning, TabContext, Updates, Values, or_skip
from fastv.errors import FastVError
from fastv.validation import real, whole

logger = logging.getLogger(__name__)

_SHOW_CUT = "text => { window.fastvShowCut?.(text); }"
# In one column what is asked stands below the result.
_SHOW = """() => { if (innerWidth < 1000) document.getElementById("xray").scrollIntoView({behavior: "smooth"}); }"""


def build(context: TabContext) -> BuiltTab:
    """Lays the tab out in the Blocks that are open and connects it, also to the K and R shared by all tabs."""
    shared = context.pruning
    ui = layout(context.pool, *((shared.k.value, shared.r.value) if shared else (2, 50.0)))
    _connect_picture(ui, context.policy)
    _connect_run(ui, context.pool, context.policy)
    _connect_pane(ui, shared)
    _connect_opening(ui, context, shared)
    _connect_link(ui)
    outputs = (ui.filled, ui.xray, ui.picture, ui.question, ui.model, ui.scene, ui.cut, ui.view)
    return BuiltTab(ui.query, outputs, lambda query: follow(ui, context.pool, query))


def _connect_picture(ui: AttentionControls, policy: RunPolicy) -> None:
    def pick(event: gr.SelectData) -> Updates:
        return _show_scene(ui, chosen_seed(event))

    def own_picture(upload: Any) -> Updates:
        updates: Updates = {ui.scene: None}
        try:
            if upload is not None:
                policy.open_image(upload_path(upload))
        except FastVError as error:
            status.warn(str(error))
            updates[ui.picture] = None
        return updates

    ui.gallery.select(pick, None, [ui.picture, ui.scene], **INSTANT)
    ui.new_scene.click(
        lambda: _show_scene(ui, SystemRandom().randrange(10**6)), None, [ui.picture, ui.scene], **INSTANT
    )
    # Not preprocessed: Gradio would open and decode whatever was sent before its size was checked.
    ui.picture.input(own_picture, [ui.picture], [ui.picture, ui.scene], preprocess=False, concurrency_limit=2, **QUIET)


def _show_scene(ui: AttentionControls, seed: int) -> Updates:
    return {ui.picture: example_scenes.example(seed).picture, ui.scene: seed}


def _connect_run(ui: AttentionControls, pool: ModelPool, policy: RunPolicy) -> None:
    def run(values: Values) -> Updates:
        from fastv.presentation.attention_payload import attention_payload  # imports torch: the page is up sooner

        question, scene = values[ui.question], values[ui.scene]
        try:
            found = read_attention(upload_path(values[ui.picture]), question, values[ui.model], pool, policy)
            things = things_of(scene, found.map.prompt.visual_tokens)
            payload = attention_payload(found.map, found.loaded, question, things)
        except FastVError as error:
            return {ui.status: status.problem(str(error)), ui.run: gr.Button(interactive=True)}
        except Exception:
            logger.exception("attention could not be read")
            return {ui.status: status.problem(INTERNAL_ERROR), ui.run: gr.Button(interactive=True)}
        done = f"{found.loaded.entry.name} read {found.map.prompt.tokens:,} tokens in {len(found.map.layers)} layers."
        return {
            ui.xray: xray(payload),
            ui.view: "",
            ui.status: status.status(done),
            ui.run: gr.Button(interactive=True),
        }

    pressed = gr.on(
        [ui.run.click, ui.question.submit],
        lambda: {ui.status: status.status("Reading every layer…", 0.0), ui.run: gr.Button(interactive=False)},
        None,
        [ui.status, ui.run],
        **INSTANT,
    )
    running = pressed.then(
        run,
        {ui.picture, ui.question, ui.model, ui.scene},
        [ui.xray, ui.view, ui.status, ui.run],
        preprocess=False,
        show_progress="minimal",
        show_progress_on=[ui.status],
        api_visibility="private",
        **ONE_AT_A_TIME,
    )
    running.success(None, None, None, js=_SHOW, **QUIET)
    ui.model.input(lambda values: _recorded_of(ui, values), {ui.model, ui.scene, ui.question}, [ui.xray], **INSTANT)
    running.failure(
        lambda: {ui.status: status.problem("Not read."), ui.run: gr.Button(interactive=True)},
        None,
        [ui.status, ui.run],
        **INSTANT,
    )


def _recorded_of(ui: AttentionControls, values: Values) -> Updates:
    """Another model's recorded example, where just that is asked."""
    asks_it = (values[ui.scene], values[ui.question]) == (SCENE, QUESTION)
    return or_skip({ui.xray: recorded_xray(values[ui.model])} if asks_it and recorded(values[ui.model]) else {})


def chosen_in_pane(event: Mapping[str, Any]) -> tuple[int, float, int, int]:
    """K, R in percent, word and layer as the pane tells them. Raises FastVError for anything else."""
    k, word, layer = (whole(event.get(name), name, low=0, high=999) for name in ("k", "word", "layer"))
    return k, round(real(event.get("r"), "r", low=0, high=100), 1), word, layer


def _connect_pane(ui: AttentionControls, shared: SharedPruning | None) -> None:
    def chosen(event: gr.EventData, values: Values) -> Updates:
        try:
            told = {name: getattr(event, name, None) for name in ("k", "r", "word", "layer")}
            k, r_percent, word, layer = chosen_in_pane(told)
        except FastVError:
            return or_skip({})
        updates: Updates = {ui.view: f"{word},{layer}"}
        if shared and (values[shared.k], values[shared.r]) != (k, r_percent):
            updates |= shared.set(values, k, r_percent)
        return updates

    inputs = set(shared.inputs) | {shared.k, shared.r} if shared else set()
    outputs = [ui.view, *(shared.outputs if shared else ())]
    ui.xray.click(chosen, inputs, outputs, trigger_mode="always_last", **INSTANT)
    ui.cut.change(None, [ui.cut], None, js=_SHOW_CUT, **QUIET)


def _connect_opening(ui: AttentionControls, context: TabContext, shared: SharedPruning | None) -> None:
    """When the tab is opened: its example, the models that are in memory now, and the K and R of other tabs."""

    def opened(values: Values) -> Updates:
        updates: Updates = {}
        if not values[ui.filled]:
            updates |= {ui.filled: True, ui.xray: recorded_xray(values[ui.model], *view_of(values[ui.view]))}
        offered = readable_models(context.pool)
        if values[ui.model] in [key for _, key in offered]:
            updates[ui.model] = gr.Dropdown(choices=offered)
        if shared:
            updates[ui.cut] = _cut(values[shared.k], values[shared.r])
        return or_skip(updates)

    inputs = {ui.filled, ui.model, ui.view, *((shared.k, shared.r) if shared else ())}
    context.container.select(opened, inputs, [ui.filled, ui.xray, ui.model, ui.cut], **INSTANT)


def _cut(k: int, r_percent: float) -> str:
    """The value of the hidden text box; it always differs from the last one, since the pane may have moved on."""
    return f"{k},{r_percent:g},{token_hex(3)}"


def _connect_link(ui: AttentionControls) -> None:
    def query(values: Values) -> str:
        word, layer = view_of(values[ui.view])
        scene = values[ui.scene]
        picture = OWN_PICTURE if scene is None else None
        return AttentionLink(values[ui.model], values[ui.question], scene, picture, word, layer).query

    told = {ui.model, ui.question, ui.scene, ui.view}
    changes = [ui.model.change, ui.question.change, ui.picture.change, ui.view.change]
    gr.on(changes, query, told, ui.query, **TYPED)
    connect_copy(ui.copy)


def follow(ui: AttentionControls, pool: ModelPool, query: Mapping[str, str]) -> Updates:
    """What a link sets; its recorded example is shown where there is one, and nothing is run."""
    link, cut = attention_link(query), link_of(query)
    updates: Updates = {}
    model = link.model if link.model in [key for _, key in readable_models(pool)] else None
    if model is not None:
        updates[ui.model] = model
    if link.question is not None:
        updates[ui.question] = link.question
    if link.picture is not None:
        updates |= {ui.picture: None, ui.scene: None}
    elif link.scene is not None:
        updates |= _show_scene(ui, link.scene)
    if cut.k is not None and cut.r is not None:
        updates[ui.cut] = _cut(cut.k, cut.r)
    if link.word is not None and link.layer is not None:
        updates[ui.view] = f"{link.word},{link.layer}"
    if query.get("tab") == "attention":
        updates |= {
            ui.filled: True,
            ui.xray: recorded_xray(model or first_readable(pool, FIRST), link.word, link.layer),
        }
    return updates
