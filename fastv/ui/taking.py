"""Taking it away: a link that leads back here, the lines for a script of one's own, and files of a finished run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from fastv import report
from fastv.compare import Comparison
from fastv.errors import FastVError
from fastv.ui import share
from fastv.ui.share import Link, link_of
from fastv.ui.shelf import Shelf
from fastv.usage import script

_KEYS = [name for name in share.FIELDS if name != "tab"]
# Other parameters of the address, such as Gradio's own, stay.
REMEMBER = f"""query => {{
  const now = new URLSearchParams(location.search);
  for (const key of {_KEYS!r}) now.delete(key);
  new URLSearchParams(query).forEach((value, key) => now.set(key, value));
  history.replaceState(history.state, "", "?" + now + location.hash);
}}"""
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
_FORMATS = {"html": "Report (HTML)", "csv": "CSV", "json": "JSON"}


@dataclass
class Taking:
    """The components. query: the state of the page as a link's query, out of sight."""

    copy: gr.Button
    downloads: list[gr.DownloadButton]
    lines: gr.Code
    query: gr.Textbox


def layout(shelf: Shelf, begin: Link, most: int) -> Taking:
    """Lays it out in the Blocks that are open; begin: what is chosen there at first; most: the longest answer."""
    with gr.Row(elem_classes="taking"):
        downloads = [gr.DownloadButton(title, size="sm", interactive=False, min_width=90, elem_id=f"download-{kind}")
                     for kind, title in _FORMATS.items()]
        copy = gr.Button("Copy link", size="sm", min_width=90, elem_id="copy-link")
    with gr.Accordion("Use this in Python", open=False, elem_id="use-this"):
        lines = gr.Code(lines_of(shelf, begin, most), language="python", interactive=False, buttons=["copy"],
                        show_label=False, show_line_numbers=False, wrap_lines=True, lines=14)
    return Taking(copy, downloads, lines, gr.Textbox(visible="hidden", elem_id="link-query"))


def lines_of(shelf: Shelf, link: Link, most: int) -> str:
    """The script for what a link says. Raises FastVError for a model that is not on the shelf."""
    dtype = shelf.take(link.model).dtype if shelf.is_loaded(link.model) else shelf.dtype
    return script(shelf.entry(link.model), link.question or "What is in the picture?", dtype=dtype, k=link.k or 0,
                  r=round((link.r or 0.0) / 100, 4), rank=link.rank or "last_token", max_new_tokens=most)


def said(shelf: Shelf, most: Any, *values: Any) -> list:
    """The query and the lines for the controls' values, in the order of a link; unchanged where they are unusable."""
    link = link_of(dict(zip(share.FIELDS, values)))
    try:
        usable = isinstance(most, int) and link.k is not None and link.r is not None
        return [link.query, lines_of(shelf, link, most)] if usable else [gr.skip(), gr.skip()]
    except FastVError:
        return [gr.skip(), gr.skip()]


def files(taking: Taking, comparison: Comparison | None, expected: str | None, link: str | None) -> list:
    """The buttons with the files of a finished comparison behind them; without one they wait."""
    if comparison is None:
        return [gr.DownloadButton(value=None, interactive=False) for _ in taking.downloads]
    texts = {"html": report.as_html(comparison, expected=expected, link=link), "csv": report.as_csv(comparison),
             "json": report.as_json(comparison, expected=expected, link=link)}
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"fastv-{comparison.model}-k{comparison.k}-r{100 * comparison.r:g}")
    return [gr.DownloadButton(value=_cached(button, f"{name}.{kind}", texts[kind]), interactive=True)
            for kind, button in zip(_FORMATS, taking.downloads)]


def _cached(button: gr.DownloadButton, name: str, text: str) -> str:
    """Gradio's own cache, which forgets files after a while."""
    return save_bytes_to_cache(text.encode("utf-8", "replace"), name, button.GRADIO_CACHE)


def connect_copy(taking: Taking) -> None:
    copied = taking.copy.click(None, None, [taking.copy], js=_COPY, api_visibility="private")
    copied.then(None, None, [taking.copy], api_visibility="private",
                js='() => new Promise(done => setTimeout(() => done("Copy link"), 1500))')
