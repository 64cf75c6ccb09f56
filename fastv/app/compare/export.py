"""What can be taken away from the Compare tab: a link, a script, and files of a finished run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gradio as gr

from fastv.app.hosting.gradio_adapter import cache_file
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSides
from fastv.app.shared import share_bar
from fastv.app.shared.tab import Updates
from fastv.measurement.results import Comparison, Setup
from fastv.presentation import report
from fastv.presentation.script_export import ScriptSide, script, script_of_both
from fastv.presentation.side_labels import side_labels

_FORMATS = {"html": "Report", "csv": "CSV", "json": "JSON"}
_ANY_QUESTION = "What is in the picture?"


@dataclass
class ExportControls:
    """The components. query: what is chosen on the tab as a link's query, in a hidden text box."""

    share: gr.HTML
    copy: gr.Button
    downloads: list[gr.DownloadButton]
    script: gr.Code
    query: gr.Textbox


def layout(first_script: str) -> ExportControls:
    """Lays it out in the Blocks that are open."""
    share = share_bar.layout()
    with gr.Row(elem_classes="taking"):
        downloads = [
            gr.DownloadButton(title, size="sm", interactive=False, min_width=90, elem_id=f"download-{kind}")
            for kind, title in _FORMATS.items()
        ]
        copy = gr.Button("Copy link", size="sm", min_width=90, elem_id="copy-link")
    with gr.Accordion("Use this in Python", open=False, elem_id="use-this"):
        code = gr.Code(
            first_script,
            language="python",
            interactive=False,
            buttons=["copy"],
            show_label=False,
            show_line_numbers=False,
            wrap_lines=True,
            lines=14,
        )
    return ExportControls(share, copy, downloads, code, gr.Textbox(visible="hidden", elem_id="link-query"))


def script_of(pool: ModelPool, sides: ChosenSides, question: str, max_new_tokens: int, *, video: bool = False) -> str:
    """The Python script of the chosen sides. Raises FastVError for a model that is not in the pool."""
    question = question or _ANY_QUESTION
    baseline, candidate = (pool.setup(side.model, side.pruning) for side in (sides.baseline, sides.candidate))
    settings: dict[str, Any] = {"dtype": candidate.dtype, "max_new_tokens": max_new_tokens, "video": video}
    if sides.has_plain_baseline and sides.candidate.pruning is not None:
        return script(pool.entry(candidate.model), question, sides.candidate.pruning, **settings)
    both = [
        ScriptSide(label.label, pool.entry(side.model), side.pruning)
        for label, side in zip(side_labels(baseline, candidate), (sides.baseline, sides.candidate), strict=True)
    ]
    return script_of_both(both, question, **settings)


def file_updates(ui: ExportControls, comparison: Comparison | None, expected: str | None, link: str | None) -> Updates:
    """The download buttons with the files of a finished comparison; disabled without one."""
    if comparison is None:
        return {button: gr.DownloadButton(value=None, interactive=False) for button in ui.downloads}
    texts = {
        "html": report.as_html(comparison, expected=expected, link=link),
        "csv": report.as_csv(comparison),
        "json": report.as_json(comparison, expected=expected, link=link),
    }
    candidate, baseline = comparison.fastv.setup, comparison.baseline.setup
    beside = "" if baseline.model == candidate.model and baseline.k is None else f"-beside-{_name(baseline)}"
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"fastv-{_name(candidate)}{beside}")
    return {
        button: gr.DownloadButton(value=cache_file(button, f"{name}.{kind}", texts[kind]), interactive=True)
        for kind, button in zip(_FORMATS, ui.downloads, strict=True)
    }


def _name(side: Setup) -> str:
    return side.model if side.k is None else f"{side.model}-k{side.k}-r{100 * (side.r or 0):g}"
