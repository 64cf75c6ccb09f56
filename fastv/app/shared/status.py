"""How a run is going: the status line under the Run button, as HTML, and messages that pop up."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup, escape

from fastv.presentation.html import render


def status(words: str, fraction: float | None = None) -> Markup:
    """The progress of a run.

    Parameters
    ----------
    words : str
        Plain text.
    fraction : float, optional
        How far the run is, from 0 to 1. No bar is shown without it.
    """
    return render("app/shared/status", words=words, fraction=fraction, problem=False)


def problem(words: str) -> Markup:
    """An error message, plain text."""
    return render("app/shared/status", words=words, fraction=None, problem=True)


def warn(words: str) -> None:
    """Shows a message, plain text, for some seconds; Gradio would take it for HTML."""
    gr.Warning(str(escape(words)))
