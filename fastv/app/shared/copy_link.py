"""A button that copies the address of the page."""

from __future__ import annotations

import gradio as gr

# Browsers offer the clipboard to secure pages only; the older way works on the others.
_COPY = """async () => {
  try { await navigator.clipboard.writeText(location.href); } catch {
    const field = Object.assign(document.createElement("textarea"), {value: location.href});
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  return "Copied";
}"""
_RESET = '() => new Promise(done => setTimeout(() => done("Copy link"), 1500))'


def connect_copy(button: gr.Button) -> None:
    """Lets a button copy the address, and say for a moment that it did."""
    copied = button.click(None, None, [button], js=_COPY, api_visibility="private")
    copied.then(None, None, [button], js=_RESET, api_visibility="private")
