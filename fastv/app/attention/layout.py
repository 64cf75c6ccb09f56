"""The layout of the Attention tab: the pane, and what to ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.attention.averages_html import averages
from fastv.app.attention.recorded import FIRST, QUESTION, SCENE
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.example_scenes import example
from fastv.app.shared.image_choice import example_gallery, image_box
from fastv.app.shared.model_choices import SEARCH_READABLE, first_readable, readable_models
from fastv.app.shared.status import status

STYLE = Path(__file__).with_name("attention.css")
_SCRIPT = "\n".join(
    Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8") for name in ("frames", "attention")
)
_LIVE = "element.setAttribute('role', 'status')"


@dataclass
class AttentionControls:
    """The components of the tab.

    Attributes
    ----------
    xray
        The pane; it tells what is chosen in it by its event ``click``.
    scene
        The seed of the example shown; None for a visitor's own picture.
    filled
        Whether the pane shows anything yet.
    cut
        K and R in percent, for the pane, as other tabs set them: "2,50"; hidden.
    view
        The word and the layer chosen in the pane, "3,1"; hidden.
    query
        What is chosen, as fields of the address; hidden.
    """

    xray: gr.HTML
    picture: gr.Image
    gallery: gr.Gallery
    new_scene: gr.Button
    question: gr.Textbox
    model: gr.Dropdown
    run: gr.Button
    status: gr.HTML
    scene: gr.State
    filled: gr.State
    cut: gr.Textbox
    view: gr.Textbox
    copy: gr.Button
    query: gr.Textbox


def layout(pool: ModelPool, k: int, r_percent: float) -> AttentionControls:
    """Lays the tab out in the Blocks that are open, beginning at this K and R in percent."""
    made: dict[str, Any] = {}
    first = example(SCENE)
    with gr.Row(elem_classes="attention"):
        with gr.Column(elem_classes="attention-result"):
            made["xray"] = gr.HTML("", elem_id="xray", apply_default_css=False, js_on_load=_SCRIPT)
        with gr.Column(elem_classes="attention-controls"):
            made["picture"] = image_box(
                first.picture,
                label="Image",
                height=230,
                elem_id="attention-picture",
                alt_text="The image whose attention is read",
            )
            made["gallery"] = example_gallery("attention-examples")
            made["new_scene"] = gr.Button("New scene", size="sm")
            made["question"] = gr.Textbox(
                QUESTION, label="Question", lines=1, max_lines=3, elem_id="attention-question"
            )
            made["model"] = gr.Dropdown(
                readable_models(pool),
                value=first_readable(pool, FIRST),
                label="Model",
                info=SEARCH_READABLE,
                elem_id="attention-model",
                filterable=True,
            )
            made["run"] = gr.Button("Read attention", variant="primary", elem_id="attention-run")
            made["status"] = gr.HTML(
                status("Answers once, unpruned, and reads every layer. Nothing is timed."),
                elem_id="attention-status",
                apply_default_css=False,
                js_on_load=_LIVE,
            )
            made["copy"] = gr.Button("Copy link", size="sm", elem_id="copy-attention-link")
    gr.HTML(averages(), elem_id="attention-averages", apply_default_css=False)
    made |= {"scene": gr.State(SCENE), "filled": gr.State(False)}
    for name, value in (("cut", f"{k},{r_percent:g}"), ("view", ""), ("query", "")):
        made[name] = gr.Textbox(value, visible="hidden", elem_id=f"attention-{name}")
    return AttentionControls(**made)
