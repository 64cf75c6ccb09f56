"""Passing a finished run on: a link that carries it, a picture, the phone's own sharing; and this visit's runs."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import gradio as gr
from markupsafe import Markup

from fastv.measurement.results import Comparison
from fastv.presentation.html import render
from fastv.presentation.shared_result import FIELD, SharedResult

_SCRIPT = Path(__file__).with_name("share_bar.js").read_text(encoding="utf-8")


def layout() -> gr.HTML:
    """Lays it out in the Blocks that are open; it is empty until a run is finished."""
    return gr.HTML(share_bar(None, None, ""), elem_id="share", apply_default_css=False, js_on_load=_SCRIPT)


def share_bar(comparison: Comparison | None, scene: int | None, query: str) -> Markup:
    """The bar of a comparison; without one only the runs of this visit, which the browser keeps.

    Parameters
    ----------
    scene
        The seed of the example picture; None for another picture, which a link does not contain.
    query
        The settings, as the query of a link.
    """
    if comparison is None:
        return render("app/shared/share_bar", run="", picture="")
    result = SharedResult.of(comparison, scene)
    carried = urlencode({FIELD: result.text})
    run = {
        "query": f"{query}&{carried}" if query else carried,
        "headline": result.headline,
        "model": result.model,
        "question": result.question,
        "setting": " / ".join(
            ", ".join(filter(None, (side.name, side.detail))) for side in (result.candidate, result.baseline)
        ),
        "answers": [result.candidate.answer, result.baseline.answer],
        "savings": list(result.savings),
    }
    return render("app/shared/share_bar", run=json.dumps(run), picture=f"preview.png?{carried}")
