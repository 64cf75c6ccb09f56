"""The result that a link carries, shown above the tabs when the link is opened."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from markupsafe import Markup

from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.shared.example_scenes import example
from fastv.presentation.html import render
from fastv.presentation.overlay import description, dimmed
from fastv.presentation.shared_result import FIELD, SharedResult

_HIDE = """element.addEventListener("click", event => {
  if (event.target.closest("[data-hide]")) element.querySelector(".sent-result")?.remove();
});"""
# What is chosen next has another result.
_FORGET = f"() => window.fastvAddress?.forget('{FIELD}')"


def connect(page: gr.Blocks) -> None:
    """Lays it out in the Blocks that are open."""
    shown = gr.HTML("", elem_id="sent-result", apply_default_css=False, js_on_load=_HIDE)

    def opened(visit: gr.Request) -> Any:
        return sent_result(visit.query_params) or gr.skip()

    page.load(opened, None, shown, **INSTANT).then(None, None, None, js=_FORGET, **QUIET)


def sent_result(query: Mapping[str, str]) -> Markup:
    """The result in an address as HTML; nothing where there is none."""
    result = SharedResult.parsed(query.get(FIELD))
    if result is None:
        return Markup("")
    return render(
        "app/sent_result",
        result=result,
        picture=_picture(result),
        alt="" if result.kept is None else description(result.kept),
        query=urlencode({FIELD: query[FIELD]}),
    )


def _picture(result: SharedResult) -> str:
    """What was kept, as a data URI; empty where the link has no picture."""
    if result.scene is None or result.kept is None:
        return ""
    file = BytesIO()
    dimmed(example(result.scene).picture, result.kept).save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
