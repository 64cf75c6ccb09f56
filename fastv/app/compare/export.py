"""ExportControls it away: a link that leads back here, the lines for a script of one's own, and files of a finished run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gradio as gr

from fastv.app.compare.baseline_panel import SAME, is_usual, setups
from fastv.app.hosting.gradio_adapter import cache_file
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared import deep_link
from fastv.app.shared.deep_link import Link, link_of
from fastv.errors import FastVError
from fastv.measurement.results import Comparison, Setup
from fastv.presentation import report
from fastv.presentation.script_export import Asked, script, script_of_both
from fastv.presentation.side_labels import titles

_KEYS = [name for name in (*deep_link.FIELDS, *deep_link.OLD_FIELDS) if name != "tab"]
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
_FORMATS = {"html": "Report", "csv": "CSV", "json": "JSON"}


@dataclass
class ExportControls:
    """The components. query: the state of the page as a link's query, out of sight."""

    copy: gr.Button
    downloads: list[gr.DownloadButton]
    lines: gr.Code
    query: gr.Textbox


def layout(pool: ModelPool, begin: Link, most: int) -> ExportControls:
    """Lays it out in the Blocks that are open; begin: what is chosen there at first; most: the longest answer."""
    with gr.Row(elem_classes="taking"):
        downloads = [
            gr.DownloadButton(title, size="sm", interactive=False, min_width=90, elem_id=f"download-{kind}")
            for kind, title in _FORMATS.items()
        ]
        copy = gr.Button("Copy link", size="sm", min_width=90, elem_id="copy-link")
    with gr.Accordion("Use this in Python", open=False, elem_id="use-this"):
        lines = gr.Code(
            lines_of(pool, begin, most),
            language="python",
            interactive=False,
            buttons=["copy"],
            show_label=False,
            show_line_numbers=False,
            wrap_lines=True,
            lines=14,
        )
    return ExportControls(copy, downloads, lines, gr.Textbox(visible="hidden", elem_id="link-query"))


def lines_of(pool: ModelPool, link: Link, most: int, *, video: bool = False) -> str:
    """The script for what a link says, about a picture or a video. Raises FastVError for a model that is not on the
    pool.
    """
    other_r = link.baseline_r or 0.0
    sides = setups(pool, link.model, link.k or 0, link.r or 0.0, link.baseline or SAME, link.baseline_k or 0, other_r)
    question, one = link.question or "What is in the picture?", sides[1]
    settings = {"dtype": one.dtype, "method": link.method or "fastv", "max_new_tokens": most, "video": video}
    if is_usual(one.model, link.baseline or SAME, other_r):
        return script(pool.entry(one.model), question, k=one.k, r=one.r, **settings)
    asked = [
        Asked(title.text, pool.entry(side.model), side.k, side.r or 0.0) for title, side in zip(titles(*sides), sides)
    ]
    return script_of_both(asked, question, **settings)


def sides_said(model: str, k: int, r_percent: float, other: str, other_k: int, other_r: float) -> dict[str, Any]:
    """What a link says of both sides; nothing of the other one where it is the same model without FastV."""
    said = {"model": model, "k": k, "r": r_percent, "baseline": other or None}
    return said | ({"baseline_k": other_k, "baseline_r": other_r} if other_r else {})


def shown_said(scene: int | None, which: str | None) -> dict[str, Any]:
    """What a link says of the picture, or of the clip: which example, or that it is somebody's own."""
    if which == deep_link.EXAMPLE_CLIP:
        return {"clip": which}
    return {"picture": deep_link.OWN_PICTURE} if which or scene is None else {"scene": scene}


def said(
    pool: ModelPool,
    most: Any,
    preset: str,
    question: str,
    scene: int | None,
    which: str | None,
    method: str,
    *chosen: Any,
) -> list:
    """The query and the lines for the controls' values; unchanged where they are unusable.

    chosen: what says which sides are compared, as in ``sides_said``.
    """
    asked = {"preset": preset, "question": question, "method": method, **shown_said(scene, which)}
    link = link_of(asked | sides_said(*chosen))
    try:
        usable = isinstance(most, int) and link.k is not None and link.r is not None
        return [link.query, lines_of(pool, link, most, video=bool(which))] if usable else [gr.skip(), gr.skip()]
    except FastVError:
        return [gr.skip(), gr.skip()]


def files(taking: ExportControls, comparison: Comparison | None, expected: str | None, link: str | None) -> list:
    """The buttons with the files of a finished comparison behind them; without one they wait."""
    if comparison is None:
        return [gr.DownloadButton(value=None, interactive=False) for _ in taking.downloads]
    texts = {
        "html": report.as_html(comparison, expected=expected, link=link),
        "csv": report.as_csv(comparison),
        "json": report.as_json(comparison, expected=expected, link=link),
    }
    one, other = comparison.fastv.setup, comparison.baseline.setup
    beside = "" if other.model == one.model and other.k is None else f"-beside-{_name(other)}"
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"fastv-{_name(one)}{beside}")
    return [
        gr.DownloadButton(value=cache_file(button, f"{name}.{kind}", texts[kind]), interactive=True)
        for kind, button in zip(_FORMATS, taking.downloads)
    ]


def _name(side: Setup) -> str:
    return side.model if side.k is None else f"{side.model}-k{side.k}-r{100 * side.r:g}"


def connect_copy(button: gr.Button) -> None:
    """Lets a button copy the address of the page."""
    copied = button.click(None, None, [button], js=_COPY, api_visibility="private")
    copied.then(
        None,
        None,
        [button],
        api_visibility="private",
        js='() => new Promise(done => setTimeout(() => done("Copy link"), 1500))',
    )
