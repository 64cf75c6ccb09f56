"""The comparison: picture and question on one side, both answers and their cost on the other. Only the layout."""

from __future__ import annotations

from typing import Any

import gradio as gr

from fastv.app.compare import baseline_panel, chart_controls, export, method_choice, method_options, video_panel
from fastv.app.compare.chart_events import connect_chart
from fastv.app.compare.chosen_sides import setups
from fastv.app.compare.components import CompareControls
from fastv.app.compare.link import connect_link
from fastv.app.compare.method_events import connect_methods
from fastv.app.compare.model_events import connect_baseline, connect_model, model_note, preset_sentence
from fastv.app.compare.models_table import models_table
from fastv.app.compare.picture_events import connect_picture
from fastv.app.compare.run import connect_headings, connect_run
from fastv.app.compare.scrubber.events import connect_scrubber, recorded_of
from fastv.app.compare.scrubber.html import SCRIPT, scrubber
from fastv.app.compare.scrubber.live import connect_live
from fastv.app.compare.shared_pruning import shared_pruning
from fastv.app.compare.video_events import connect_video
from fastv.app.compare.view_stream import no_comparison
from fastv.app.service.model_outline import ModelOutline
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSide, ChosenSides
from fastv.app.shared import example_scenes, preset_choices
from fastv.app.shared.image_choice import example_gallery, image_box
from fastv.app.shared.model_choices import SEARCH, model_choices
from fastv.app.shared.preset_choices import PresetChoice, layers_of, slider_percent, slider_step
from fastv.app.shared.tab import BuiltTab, TabContext
from fastv.evidence.pair_quality import quality_of_sides
from fastv.loading.machine_memory import MachineMemory

_LONGEST_ANSWER = 64  # tokens, to begin with
_ASK_FOR_MORE = 'element.addEventListener("click", event => event.target.closest(".more-rounds") && trigger("submit"))'
_LIVE = "element.setAttribute('role', 'status')"


def build(context: TabContext) -> BuiltTab:
    """Lays the tab out in the Blocks that are open, and connects it."""
    pool, policy = context.pool, context.policy
    ui = lay_out(pool)
    connect_picture(ui, pool, policy)
    loads = [connect_model(ui, pool), connect_baseline(ui, pool)]
    connect_methods(ui, pool)
    connect_video(ui, pool, policy)
    moved = connect_scrubber(ui, pool)
    connect_live(ui, pool, policy, moved)
    connect_run(ui, pool, policy, loads)
    connect_headings(ui, pool)
    connect_chart(ui, pool)
    context.pruning = shared_pruning(ui, pool)
    return connect_link(ui, pool)


def lay_out(pool: ModelPool) -> CompareControls:
    model, seed = pool.outline(pool.default), example_scenes.GALLERY_SEEDS[0]
    offered, first = preset_choices.choices(model, pool), example_scenes.example(seed)
    sides = ChosenSides(ChosenSide(pool.default, offered[0].pruning), ChosenSide(pool.default))
    made: dict[str, Any] = {
        "known": gr.State(first.answers),
        "in_use": gr.State(pool.default),
        "offered": gr.State(offered),
        "scene": gr.State(seed),
        "fresh": gr.State(True),
        "pending_link": gr.Textbox(visible="hidden", elem_id="link-later"),
    }
    recorded = recorded_of(pool, sides, seed, first.suggestions[0])
    made["chart"] = chart_controls.layout(pool.default, offered[0].pruning)
    with gr.Row(elem_classes="compare"):
        with gr.Column(elem_classes="see"):
            shown, blank = recorded and recorded.shown(offered[0].pruning), no_comparison()
            made["kept"] = _html(shown.kept if shown else blank.kept[0] if blank.kept else "", "kept")
            made["scrubber"] = _html(
                scrubber(offered[0].pruning, layers_of(model), recorded, of=[pool.default, seed, None]),
                "scrubber",
                js_on_load=SCRIPT,
            )
            made["shown_key"] = gr.State([pool.default, seed, None, recorded is not None])
        with gr.Column(elem_classes="show"):
            made["answers"] = _html(shown.answers if shown else blank.answers or "", "answers")
            made["tiles"] = _html(shown.tiles if shown else blank.tiles or "", "tiles", js_on_load=_ASK_FOR_MORE)
            made["remark"] = _html(shown.remark if shown else blank.remark or "", "many")
        with gr.Column(elem_classes="ask"):
            made |= _question_controls(first)
        with gr.Column(elem_classes="pick"):
            made |= _picture_controls(first, model)
        with gr.Column(elem_classes="settings"):
            made |= _pruning_controls(model, offered, pool, sides)
            memory = MachineMemory.here()
            models = model_choices(pool, memory)
            made["model"] = gr.Dropdown(
                models, value=pool.default, label="Model", info=SEARCH, elem_id="model", filterable=True
            )
            made["note"] = _html(model_note(model.entry), "note")
            with gr.Accordion("Memory of each model, and which models fit this machine", open=False, elem_id="models"):
                _html(models_table(pool, memory), "models-table")
            made["baseline"] = baseline_panel.layout(pool, model, models)
            made |= _measuring_controls()
        with gr.Column(elem_classes="more"):
            with gr.Accordion("All measurements", open=False, elem_id="measurements"):
                made["table"] = _html(blank.table or "", "costs")
            made["other_kept"] = _html("", "other-kept", visible=False)
            made["export"] = export.layout(export.script_of(pool, sides, first.suggestions[0], _LONGEST_ANSWER))
    return CompareControls(**made)


def _question_controls(first: example_scenes.ExampleScene) -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Row(elem_classes="asking"):
        made["question"] = gr.Textbox(
            first.suggestions[0],
            label="Question",
            lines=1,
            max_lines=4,
            elem_id="question",
            placeholder="Ask something about the image",
        )
    with gr.Row(elem_classes="chips"):
        made["chips"] = [gr.Button(text, size="sm", elem_classes="chip", min_width=0) for text in first.suggestions]
    with gr.Column(elem_classes="actions"):
        with gr.Row():
            made["run"] = gr.Button("Run", variant="primary", elem_id="run", scale=3, min_width=120)
            made["stop"] = gr.Button("Stop", elem_id="stop", interactive=False, scale=1, min_width=80)
        made["status"] = _html(no_comparison().status or "", "status", js_on_load=_LIVE)
    return made


def _picture_controls(first: example_scenes.ExampleScene, model: ModelOutline) -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["gallery"] = example_gallery("examples")
    with gr.Row(elem_classes="pictures"):
        made["new_scene"] = gr.Button("New scene", size="sm", elem_id="new-scene", min_width=110)
        made["picture"] = image_box(
            first.picture,
            label="Your image",
            height=130,
            elem_id="picture",
            alt_text="The image to ask about",
            min_width=180,
        )
        strip = video_panel.frames()
    made["video"] = video_panel.layout(model, strip)
    return made


def _pruning_controls(
    model: ModelOutline, offered: list[PresetChoice], pool: ModelPool, sides: ChosenSides
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    start = offered[0]
    r_percent = slider_percent(start.pruning.r)
    baseline, candidate = setups(pool, sides)
    known = quality_of_sides(candidate, baseline)
    with gr.Group():
        made["preset"] = gr.Radio(preset_choices.names(offered), value=start.name, label="Preset", elem_id="preset")
        made["sentence"] = _html(preset_sentence(offered, start.name, known), "sentence", padding=True)
        made["method"] = method_choice.dropdown(
            method_choice.DEFAULT, "method", "Method: what chooses the tokens", model
        )
        with gr.Row(elem_classes="sliders"):
            made["k"] = gr.Slider(
                0,
                layers_of(model) - 1,
                value=start.pruning.k,
                step=1,
                label="K: drop at layer",
                info=method_choice.k_info(method_choice.DEFAULT, model.ranked_from),
                elem_id="k",
                min_width=200,
                buttons=[],
            )
            made["r"] = gr.Slider(
                0,
                100,
                value=r_percent,
                step=slider_step(r_percent),
                label="R: drop, %",
                elem_id="r",
                min_width=200,
                buttons=[],
            )
        made["options"] = method_options.folded_boxes("method-options", model.family)
    with gr.Row(elem_classes="chips"):
        made["opponents"] = method_choice.opponents()
    return made


def _measuring_controls() -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        made["max_new_tokens"] = gr.Slider(
            1, 256, value=_LONGEST_ANSWER, step=1, label="Longest answer, tokens", buttons=[]
        )
        made["repeats"] = gr.Slider(1, 20, value=3, step=1, label="Timed runs per side", buttons=[])
    return made


def _html(value: str, elem_id: str, **settings: Any) -> gr.HTML:
    """HTML that style.css alone dresses."""
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, **settings)
