"""Run, and its end: by itself, by an error, or by Stop."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from fastv.app.compare import baseline_panel, export
from fastv.app.compare.components import CompareControls
from fastv.app.compare.view_stream import KeptView, View, view_stream
from fastv.app.hosting.event_options import INSTANT, ONE_AT_A_TIME, QUIET, TYPED
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import Request
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import status
from fastv.app.shared.deep_link import link_of
from fastv.errors import FastVError
from fastv.presentation import comparison_html
from fastv.presentation.side_labels import titles

_STOPPED = "Stopped. Partial answers are kept; no timings were recorded."
# Where all stands in one column, the settings lie between the button and the answers.
_SHOW = """() => {
  if (innerWidth < 880) document.getElementById("answers").scrollIntoView({behavior: "smooth", block: "start"});
}"""


def connect_run(parts: CompareControls, pool: ModelPool, policy: RunPolicy, loads: list[Any]) -> None:
    """Lets Run, Enter and Stop begin and end comparisons; loads: the events that load models, which Stop ends too."""
    buttons = [parts.run, parts.stop]
    shown = [
        parts.status,
        parts.answers,
        parts.table,
        parts.kept_picture,
        parts.kept_words,
        parts.other_row,
        parts.other_picture,
        parts.other_words,
        *parts.taking.downloads,
    ]
    asked = [parts.picture, parts.clips.file, parts.clips.which, parts.known, parts.max_new_tokens, parts.repeats]
    said = [parts.question, parts.scene, parts.method]

    def run(
        sender: gr.Request,
        upload: Any,
        clip: Any,
        which: str | None,
        known: dict,
        most: int,
        rounds: int,
        question: str,
        scene: int | None,
        method: str,
        *chosen: Any,
    ) -> Iterator[list]:
        said = {"question": question, "method": method, **export.shown_said(scene, which)}
        link = link_of(said | export.sides_said(*chosen))
        address = link.address(sender.headers.get("referer"))

        def request() -> Request:
            other, one = baseline_panel.setups(pool, *chosen)
            pruning = {"k": one.k, "r": one.r or 0.0, "baseline_k": other.k, "baseline_r": other.r or 0.0}
            path = upload_path(clip, "video") if which else upload_path(upload)
            return Request(
                path,
                question,
                one.model,
                video=bool(which),
                method=method,
                max_new_tokens=most,
                repeats=rounds,
                baseline_model=other.model,
                **pruning,
            )

        steps = view_stream(request, pool, policy, {} if which else known)
        try:
            for view in steps:
                if view.problem:
                    gr.Warning(escape(view.problem))
                yield _updates(view) + _files(parts.taking, view, address)
        finally:
            steps.close()

    # The first step does not queue: the buttons change at once, and Stop also works on a run that still waits.
    pressed = gr.on(
        [parts.run.click, parts.question.submit],
        lambda: (status.status("Waiting for its turn…", 0.0), False, *_buttons(True)),
        None,
        [parts.status, parts.fresh, *buttons],
        **INSTANT,
    )
    pressed.then(None, None, None, js=_SHOW, **QUIET)
    running = pressed.then(
        run,
        [*asked, *said, *parts.chosen],
        shown,
        preprocess=False,
        show_progress="minimal",
        show_progress_on=[parts.status],
        api_visibility="private",
        **ONE_AT_A_TIME,
    )
    running.success(lambda: _buttons(False), None, buttons, **INSTANT)
    # A run that was stopped has failed in Gradio's eyes; so has one that found the line full, which Gradio then says.
    stopped = parts.stop.click(None, cancels=[running, *loads], api_visibility="private")
    for end in (running.failure, stopped.then):
        end(
            lambda *in_use: (status.status(_STOPPED), *in_use, *_buttons(False)),
            [parts.in_use, parts.baseline.in_use],
            [parts.status, parts.model, parts.baseline.model, *buttons],
            **INSTANT,
        )


def connect_headings(parts: CompareControls, pool: ModelPool) -> None:
    """As long as nothing has run, the empty answers and the empty table say what will be compared."""

    def headings(fresh: bool, *chosen: Any) -> list:
        try:
            names = titles(*baseline_panel.setups(pool, *chosen)) if fresh else None
        except FastVError:  # a field may be empty while somebody types
            names = None
        if names is None:
            return [gr.skip(), gr.skip()]
        return [comparison_html.answers("", "", names), comparison_html.table(names=names)]

    # The models too: a State tells of no change that skips the queue, as a link's does.
    gr.on(
        [control.change for control in (*parts.chosen, parts.model, parts.baseline.model)],
        headings,
        [parts.fresh, *parts.chosen],
        [parts.answers, parts.table],
        **TYPED,
    )


def _updates(view: View) -> list:
    """Status, answers, table, and what one side or both kept; those that stay as they are skipped."""
    shown = [gr.skip() if part is None else part for part in (view.status, view.answers, view.table)]
    if view.kept is None:
        return [*shown, *[gr.skip()] * 5]
    one, *other = view.kept
    return [*shown, *_picture(one), gr.Row(visible=bool(other)), *(_picture(other[0]) if other else (None, ""))]


def _picture(kept: KeptView) -> tuple[gr.Image, str]:
    """Of a clip the frames are in the words."""
    return gr.Image(kept.picture, alt_text=kept.description, visible=not kept.is_clip), kept.words


def _files(made: export.ExportControls, view: View, link: str | None) -> list:
    """The downloads: there when a run is done, gone when the next one clears the table."""
    if view.table is None:
        return [gr.skip()] * len(made.downloads)
    return export.files(made, view.finished, view.expected, link)


def _buttons(running: bool) -> tuple[gr.Button, gr.Button]:
    return gr.Button(interactive=not running), gr.Button(interactive=running)
