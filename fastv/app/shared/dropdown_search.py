"""Typing into a dropdown searches all of its options: the text of the chosen one is selected once it has the focus.

Gradio leaves the text there and adds what is typed to it, which finds nothing.
"""

from __future__ import annotations

import gradio as gr

from fastv.app.hosting.event_options import QUIET

# The timeout is for the mouse, whose press sets the cursor after the focus has come.
_SCRIPT = """() => document.addEventListener("focusin", ({target}) => {
    if (target.matches("input[role=combobox]")) setTimeout(() => target.select());
})"""


def connect(page: gr.Blocks) -> None:
    """Connects the Blocks that are open."""
    page.load(None, None, None, js=_SCRIPT, **QUIET)
