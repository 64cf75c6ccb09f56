"""The layout of the Explore tab: controls and empty panes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.explore import state
from fastv.app.explore.cost_map_html import QUALITY, measures
from fastv.app.explore.methods_html import ALL, question_choices
from fastv.app.shared.frontier_chart import SPOTS_SCRIPT
from fastv.app.shared.preset_choices import slider_step
from fastv.costs import configs, roofline
from fastv.costs.memory import DTYPES
from fastv.evidence import pareto as frontier
from fastv.evidence.method_curves import measured_methods
from fastv.evidence.method_records import EQUAL, RS, method_records
from fastv.formatting import percent
from fastv.pruning.methods.registry import METHODS

STYLE = Path(__file__).with_name("explorer.css")
SCORE = "average"  # what the frontier shows at first: of the benchmarks that were published
_INTRO = (
    '<p class="note">What would FastV save on a model that you have not downloaded? Costs are computed from its '
    "config; scores are published ones or were measured by this project. No model is loaded.</p>"
)
_AXIS_NAMES = {
    "total": "FLOPs in total",
    "per-layer": "FLOPs per layer",
    "ratio": "FLOPs relative to no pruning",
    "seconds": "Time to first token",
}


#: Names of the controls, as in ``state.Choices``.
CONTROLS = (
    "model",
    "own_text",
    "k",
    "r",
    "dtype",
    "text_tokens",
    "answer_tokens",
    "pictures",
    "batch",
    "measure",
    "relative",
    "device",
    "may_lose",
    "axis",
    "benchmark",
    "methods_model",
    "methods_r",
    "methods_equal",
    "methods_questions",
    "quality_method",
)
#: Names of the panes that the controls change.
PANES = ("problem", "advice", "map", "equivalence", "flops", "estimate", "frontier", "methods", "findings")


@dataclass
class Explorer:
    """The components of the tab.

    Attributes
    ----------
    own_text
        The text of a config.json that was pasted.
    met
        (K, R in percent) last seen on other tabs.
    query
        What is chosen, as fields of the address; hidden.
    """

    model: gr.Dropdown
    own_box: gr.Accordion
    own_text: gr.Textbox
    own_file: gr.UploadButton
    dtype: gr.Radio
    text_tokens: gr.Slider
    answer_tokens: gr.Slider
    pictures: gr.Slider
    batch: gr.Slider
    measure: gr.Radio
    relative: gr.Radio
    k: gr.Slider
    r: gr.Slider
    device: gr.Dropdown
    may_lose: gr.Slider
    axis: gr.Dropdown
    benchmark: gr.Dropdown
    methods_model: gr.Radio
    methods_r: gr.Radio
    methods_equal: gr.Radio
    methods_questions: gr.Dropdown
    quality_method: gr.Dropdown
    problem: gr.HTML
    advice: gr.HTML
    map: gr.HTML
    equivalence: gr.HTML
    flops: gr.HTML
    estimate: gr.HTML
    frontier: gr.HTML
    sweep: gr.HTML
    methods: gr.HTML
    findings: gr.HTML
    exhibit_box: gr.Accordion
    exhibit: gr.HTML
    met: gr.State
    copy: gr.Button
    query: gr.Textbox

    @property
    def controls(self) -> dict[str, Any]:
        """By their names in CONTROLS."""
        return {name: getattr(self, name) for name in CONTROLS}

    @property
    def panes(self) -> dict[str, gr.HTML]:
        """By their names in PANES."""
        return {name: getattr(self, name) for name in PANES}


def layout(k: int, r_percent: float) -> Explorer:
    """Lay the tab out in the Blocks that are open, beginning at this K and R in percent."""
    made: dict[str, Any] = {"met": gr.State((k, r_percent))}
    models = state.choices()
    gr.HTML(_INTRO, elem_id="explore-intro", apply_default_css=False)
    with gr.Row(elem_classes="explore explore-top"):
        with gr.Column(elem_classes="explore-chart"):
            made["problem"] = _pane("explore-problem", js_on_load=None)
            made["frontier"] = _pane("frontier")
            made |= _axes()
            made["sweep"] = _pane("explore-sweep")
        with gr.Column(elem_classes="explore-controls"):
            made["model"] = gr.Dropdown(
                models, value=models[0][1], label="Model", elem_id="explore-model", filterable=True
            )
            made |= _own_config()
            made["device"] = gr.Dropdown(
                [(device.name, key) for key, device in roofline.devices().items()],
                value="a100-80g",
                label="Device",
                elem_id="device",
            )
            made["may_lose"] = gr.Slider(
                0, 10, value=1, step=0.1, label="Points that may be lost", elem_id="may-lose", buttons=[]
            )
            made |= _budget(configs.shape_of(models[0][1]).decoder.layers, k, r_percent)
            with gr.Accordion("Prompt, answer and precision", open=False):
                made |= _workload()
            made["copy"] = gr.Button("Copy link", size="sm", elem_id="copy-explore-link")
            made["query"] = gr.Textbox(visible="hidden", elem_id="explore-query")
        with gr.Column(elem_classes="explore-advice"):
            made["advice"] = _pane("advice")
    with gr.Row(elem_classes="explore"):
        with gr.Column(elem_classes="explore-controls"):
            made["measure"] = gr.Radio(measures(), value="prefill-paper", label="Map", elem_id="measure")
            made["relative"] = gr.Radio(
                [("The same model without FastV", "itself"), ("The smaller model", "small")],
                value="itself",
                label="Percent of",
                elem_id="relative",
            )
            made["quality_method"] = gr.Dropdown(
                [(METHODS[name].label, name) for name in measured_methods() or ("fastv",)],
                value="fastv",
                label="Method",
                elem_id="quality-method",
                filterable=True,
                visible=False,
            )
        with gr.Column():
            made["map"] = _pane("map")
    made |= _methods(models)
    with gr.Row(elem_classes="explore even"):
        made["equivalence"] = _pane("equivalence")
        made["flops"] = _pane("flops")
    with gr.Row(elem_classes="explore"):
        made["estimate"] = _pane("estimate")
        made["findings"] = _pane("findings", js_on_load=None)
    with gr.Accordion("What does FastV cost, and on what?", open=False, elem_id="exhibit-box") as made["exhibit_box"]:
        made["exhibit"] = _pane("exhibit", js_on_load=None)
    return Explorer(**made)


def _methods(models: list[tuple[str, str]]) -> dict[str, Any]:
    """The table of methods and what it is of; hidden where nothing was measured."""
    measured = [key for _, key in models if key in method_records()]
    made: dict[str, Any] = {}
    with gr.Row(elem_classes="explore", visible=bool(measured)):
        with gr.Column(elem_classes="explore-controls"):
            made["methods_model"] = gr.Radio(
                [(name, key) for name, key in models if key in measured],
                value=measured[0] if measured else None,
                label="Measured model",
                elem_id="methods-model",
            )
            made["methods_r"] = gr.Radio(
                [(f"R={percent(r)}", percent(r)) for r in RS],
                value=percent(RS[0]),
                label="Budget of",
                elem_id="methods-r",
            )
            made["methods_equal"] = gr.Radio(
                list(zip(("Prefill FLOPs", "Visual tokens kept"), EQUAL, strict=True)),
                value=EQUAL[0],
                label="What is equal",
                elem_id="methods-equal",
            )
            made["methods_questions"] = gr.Dropdown(
                question_choices(), value=ALL, label="Questions", elem_id="methods-questions"
            )
        with gr.Column():
            made["methods"] = _pane("methods", js_on_load=None)
    return made


def _axes() -> dict[str, Any]:
    scores = [(title.split(" (")[0].split(":")[0], key) for key, title in frontier.BENCHMARKS.items()]
    axes = [(_AXIS_NAMES[key], key) for key in frontier.AXES]
    with gr.Row():
        return {
            "axis": gr.Dropdown(axes, value="total", label="Cost", elem_id="axis"),
            "benchmark": gr.Dropdown(scores, value=SCORE, label="Score", elem_id="benchmark"),
        }


def _own_config() -> dict[str, Any]:
    with gr.Accordion("Your config.json", open=True, visible=False) as box:
        text = gr.Textbox(
            label="Paste its text",
            lines=5,
            max_lines=5,
            max_length=configs.LONGEST_CONFIG,
            elem_id="own-config",
            placeholder='{"model_type": "llava", "text_config": {…}}',
        )
        file = gr.UploadButton("Or upload the file", file_types=[".json"], size="sm", elem_id="own-file")
    return {"own_box": box, "own_text": text, "own_file": file}


def _budget(layers: int, k: int, r_percent: float) -> dict[str, Any]:
    with gr.Group():
        return {
            "k": gr.Slider(0, layers - 1, value=k, step=1, label="K: drop at layer", elem_id="explore-k", buttons=[]),
            "r": gr.Slider(
                0,
                100,
                value=r_percent,
                step=slider_step(r_percent),
                label="R: drop, %",
                elem_id="explore-r",
                buttons=[],
            ),
        }


def k_slider(k: int, layers: int) -> gr.Slider:
    """The slider of K at a value, for a model with this many layers."""
    return gr.Slider(value=k, maximum=max(layers - 1, 1))  # a slider needs two ends


def map_controls(measure: str, **values: str) -> tuple[Any, Any]:
    """``relative`` and ``quality_method`` as a map needs them: scores are of a method, costs relative to a model.

    values: new ones of the two, by name.
    """
    is_quality = measure == QUALITY
    shown = {"relative": not is_quality, "quality_method": is_quality}
    relative, method = (
        gr.update(visible=visible, **({"value": values[name]} if name in values else {}))
        for name, visible in shown.items()
    )
    return relative, method


def r_slider(r_percent: float) -> gr.Slider:
    """The slider of R at a value, in steps that reach it."""
    return gr.Slider(value=r_percent, step=slider_step(r_percent))


def _workload() -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Group():
        made["text_tokens"] = gr.Slider(
            0, 4096, value=36, step=1, label="Text tokens", elem_id="text-tokens", buttons=[]
        )
        made["answer_tokens"] = gr.Slider(
            1, 1024, value=64, step=1, label="Answer tokens", elem_id="answer-tokens", buttons=[]
        )
    with gr.Group():
        made["pictures"] = gr.Slider(1, 8, value=1, step=1, label="Images", elem_id="pictures", buttons=[])
        made["batch"] = gr.Slider(1, 64, value=1, step=1, label="Batch: prompts at once", elem_id="batch", buttons=[])
    made["dtype"] = gr.Radio(list(DTYPES), value="float16", label="Precision", elem_id="precision")
    return made


def _pane(elem_id: str, **changes: Any) -> gr.HTML:
    return gr.HTML("", elem_id=elem_id, apply_default_css=False, **{"js_on_load": SPOTS_SCRIPT, **changes})
