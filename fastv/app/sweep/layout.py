"""The layout of the Sweep tab: what to ask, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.model_choices import SEARCH_READABLE, first_readable, readable_models
from fastv.app.shared.status import status
from fastv.app.sweep.choice import MOST_QUESTIONS, OWN, SOURCES, SweepChoice
from fastv.app.sweep.questions import TABLES
from fastv.app.sweep.result_html import recorded
from fastv.presentation.sweep.report import FORMATS
from fastv.pruning.methods.registry import METHODS

STYLE = Path(__file__).with_name("sweep.css")
_SCRIPT = Path(__file__).with_name("sweep.js").read_text(encoding="utf-8")
_LIVE = "element.setAttribute('role', 'status')"
_INTRO = (
    '<p class="note">Which setting keeps your answers? Asks many questions at several settings, and names the one that '
    "saves most among those that lose no more than you allow.</p>"
)
_FIRST_MODEL = "mini-7"
_TITLES = {".html": "Report"}


@dataclass
class SweepControls:
    """The components of the tab.

    Attributes
    ----------
    plan
        How many answers the choice asks for, and the limits.
    result
        Recommendation, chart and table; it tells which dot is clicked by its event ``click``.
    downloads
        A button for each of the report's formats.
    folder
        Where this visit's pictures and records are; None before the first run.
    found
        The tables as they are shown, see ``fastv.sweep.analysis.summary``; None before there are any.
    query
        What is chosen, as fields of the address; hidden.
    """

    data: gr.Radio
    questions: gr.Slider
    uploads: gr.File
    methods: gr.Dropdown
    k: gr.Textbox
    r: gr.Textbox
    points: gr.Slider
    controls: gr.Checkbox
    model: gr.Dropdown
    plan: gr.HTML
    estimate: gr.Button
    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    result: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    folder: gr.State
    found: gr.State
    query: gr.Textbox

    @property
    def fields(self) -> dict[str, Any]:
        """Those of ``SweepChoice``, by name."""
        names = ("data", "questions", "methods", "k", "r", "points", "controls", "model")
        return {name: getattr(self, name) for name in names}


def layout(pool: ModelPool, plan: str) -> SweepControls:
    """Lays the tab out in the Blocks that are open."""
    usual = SweepChoice()
    made: dict[str, Any] = {}
    gr.HTML(_INTRO, elem_id="sweep-intro", apply_default_css=False)
    with gr.Row(elem_classes="sweep"):
        with gr.Column(elem_classes="sweep-choice"):
            made["data"] = gr.Radio(
                list(SOURCES.items()), value=usual.data, label="Questions", elem_id="sweep-data", container=True
            )
            made["uploads"] = gr.File(
                label="A table and its images, or a zip archive",
                file_count="multiple",
                file_types=[*TABLES, ".zip", ".png", ".jpg", ".jpeg", ".webp"],
                visible=usual.data == OWN,
                height=120,
                elem_id="sweep-upload",
            )
            made["questions"] = gr.Slider(
                1,
                MOST_QUESTIONS,
                value=usual.questions,
                step=1,
                label="Number of questions, at most",
                buttons=[],
                elem_id="sweep-questions",
            )
            made["methods"] = gr.Dropdown(
                [(method.label, name) for name, method in METHODS.items()],
                value=list(usual.methods),
                multiselect=True,
                label="Methods",
                elem_id="sweep-methods",
            )
            with gr.Row(elem_classes="sweep-numbers"):
                made["k"] = gr.Textbox(usual.k, label="K: drop at layers", elem_id="sweep-k", min_width=100)
                made["r"] = gr.Textbox(usual.r, label="R: drop, %", elem_id="sweep-r", min_width=100)
            made["points"] = gr.Slider(
                0.5, 20, value=usual.points, step=0.5, label="Lose at most, points", buttons=[], elem_id="sweep-points"
            )
            made["controls"] = gr.Checkbox(
                usual.controls,
                label="Controls: the same budgets at random, and with smaller images",
                elem_id="sweep-controls",
            )
            made["model"] = gr.Dropdown(
                readable_models(pool),
                value=first_readable(pool, _FIRST_MODEL),
                label="Model",
                info=SEARCH_READABLE,
                elem_id="sweep-model",
                filterable=True,
            )
            made["plan"] = gr.HTML(plan, elem_id="sweep-plan", apply_default_css=False)
            with gr.Row(elem_classes="sweep-actions"):
                made["start"] = gr.Button("Start", variant="primary", elem_id="sweep-start", scale=3, min_width=100)
                made["estimate"] = gr.Button("Estimate", elem_id="sweep-estimate", scale=2, min_width=100)
                made["stop"] = gr.Button("Stop", elem_id="sweep-stop", interactive=False, scale=1, min_width=70)
            made["status"] = gr.HTML(
                status("Ready."), elem_id="sweep-status", apply_default_css=False, js_on_load=_LIVE
            )
        with gr.Column(elem_classes="sweep-result"):
            made["result"] = gr.HTML(recorded(), elem_id="sweep-result", apply_default_css=False, js_on_load=_SCRIPT)
            with gr.Row(elem_classes="taking"):
                made["downloads"] = {
                    suffix: gr.DownloadButton(
                        _TITLES.get(suffix, suffix[1:].upper() if len(suffix) < 6 else suffix[1:].capitalize()),
                        size="sm",
                        interactive=False,
                        min_width=80,
                        elem_id=f"sweep-download-{suffix[1:]}",
                    )
                    for suffix in FORMATS
                }
    made |= {"folder": gr.State(None), "found": gr.State(None)}
    made["query"] = gr.Textbox(visible="hidden", elem_id="sweep-query")
    return SweepControls(**made)
