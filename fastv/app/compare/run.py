"""Run, and its end: by itself, by an error, or by Stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency

from fastv.app.compare import export, link
from fastv.app.compare.chosen_sides import chosen_sides, setups
from fastv.app.compare.components import CompareControls
from fastv.app.compare.view_stream import KeptView, View, view_stream
from fastv.app.hosting.event_options import INSTANT, ONE_AT_A_TIME, QUIET, TYPED
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import Request
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import status
from fastv.app.shared.tab import Updates, Values, or_skip
from fastv.errors import FastVError
from fastv.presentation import comparison_html
from fastv.presentation.side_labels import side_labels

_STOPPED = "Stopped. Partial answers are kept; no timings were recorded."
# Answers are about the present picture again. In one column, the settings lie between the button and the answers.
_SHOW = """() => {
  document.querySelector(".show").classList.remove("outdated");
  if (innerWidth < 880) document.getElementById("answers").scrollIntoView({behavior: "smooth", block: "start"});
}"""


def connect_run(ui: CompareControls, pool: ModelPool, policy: RunPolicy, loads: Sequence[Dependency]) -> None:
    """Lets Run, Enter and Stop begin and end comparisons; loads: events that load models, which Stop ends too."""
    buttons = [ui.run, ui.stop]
    inputs = {
        ui.picture,
        ui.video.file,
        ui.known,
        ui.max_new_tokens,
        ui.repeats,
        *link.inputs(ui),
    }
    outputs = [
        ui.status,
        ui.answers,
        ui.table,
        ui.kept_picture,
        ui.kept_words,
        ui.other_row,
        ui.other_picture,
        ui.other_words,
        *ui.export.downloads,
    ]

    def run(sender: gr.Request, values: Values) -> Iterator[Updates]:
        address = link.chosen_link(ui, values).address(sender.headers.get("referer"))
        is_clip = bool(values[ui.video.which])

        def make_request() -> Request:
            sides = chosen_sides(ui, values)
            return Request(
                upload_path(values[ui.video.file], "video") if is_clip else upload_path(values[ui.picture]),
                values[ui.question],
                sides,
                max_new_tokens=values[ui.max_new_tokens],
                repeats=values[ui.repeats],
                video=is_clip,
            )

        steps = view_stream(make_request, pool, policy, {} if is_clip else values[ui.known])
        try:
            for view in steps:
                if view.problem:
                    status.warn(view.problem)
                yield or_skip(_updates(ui, view, address))
        finally:
            steps.close()  # type: ignore[attr-defined]  # a generator

    # The first step does not queue: the buttons change at once, and Stop also works on a run that still waits.
    pressed = gr.on(
        [ui.run.click, ui.question.submit],
        lambda: {ui.status: status.status("Waiting for its turn…", 0.0), ui.fresh: False, **_buttons(ui, True)},
        None,
        [ui.status, ui.fresh, *buttons],
        **INSTANT,
    )
    pressed.then(None, None, None, js=_SHOW, **QUIET)
    running = pressed.then(
        run,
        inputs,
        outputs,
        preprocess=False,
        show_progress="minimal",
        show_progress_on=[ui.status],
        api_visibility="private",
        **ONE_AT_A_TIME,
    )
    running.success(lambda: _buttons(ui, False), None, buttons, **INSTANT)

    def stop(values: Values) -> Updates:
        return {
            ui.status: status.status(_STOPPED),
            ui.model: values[ui.in_use],
            ui.baseline.model: values[ui.baseline.in_use],
            **_buttons(ui, False),
        }

    # Gradio counts a run that was stopped as failed; so too one that found the queue full, which Gradio then reports.
    stopped = ui.stop.click(None, cancels=[running, *loads], api_visibility="private")
    for end in (running.failure, stopped.then):
        end(
            stop,
            {ui.in_use, ui.baseline.in_use},
            [ui.status, ui.model, ui.baseline.model, *buttons],
            **INSTANT,
        )


def connect_headings(ui: CompareControls, pool: ModelPool) -> None:
    """As long as nothing has run, the empty answers and the empty table say what will be compared."""

    def headings(values: Values) -> Updates:
        if not values[ui.fresh]:
            return or_skip({})
        try:
            names = side_labels(*setups(pool, chosen_sides(ui, values)))
        except FastVError:  # a field may be empty while it is being edited
            return or_skip({})
        return {ui.answers: comparison_html.answers("", "", names), ui.table: comparison_html.table(labels=names)}

    # The models too: a State does not tell of a change that skips the queue, as a link's does.
    gr.on(
        [control.change for control in (*ui.side_inputs, ui.model, ui.baseline.model)],
        headings,
        {ui.fresh, *ui.side_inputs},
        [ui.answers, ui.table],
        **TYPED,
    )


def _updates(ui: CompareControls, view: View, link: str | None) -> Updates:
    shown: dict[Any, str | None] = {ui.status: view.status, ui.answers: view.answers, ui.table: view.table}
    updates: Updates = {component: html for component, html in shown.items() if html is not None}
    if view.table is not None:  # files are there when a run is done, and gone when the next one clears the table
        updates |= export.file_updates(ui.export, view.finished, view.expected, link)
    if view.kept is None:
        return updates
    kept, *other = view.kept
    other_kept = _picture(other[0], ui.other_picture, ui.other_words) if other else {ui.other_picture: None}
    return {
        **updates,
        **_picture(kept, ui.kept_picture, ui.kept_words),
        ui.other_row: gr.Row(visible=bool(other)),
        **other_kept,
    }


def _picture(kept: KeptView, picture: gr.Image, words: gr.HTML) -> Updates:
    """A clip's frames are part of its words."""
    shown = gr.Image(kept.picture, alt_text=kept.description, visible=not kept.is_clip)
    return {picture: shown, words: kept.words}


def _buttons(ui: CompareControls, running: bool) -> Updates:
    return {ui.run: gr.Button(interactive=not running), ui.stop: gr.Button(interactive=running)}
