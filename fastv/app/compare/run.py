"""Run, and its end: by itself, by an error, or by Stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency

from fastv.app.compare import export, link
from fastv.app.compare.chosen_sides import chosen_sides, setups
from fastv.app.compare.components import CompareControls
from fastv.app.compare.view_stream import View, view_stream
from fastv.app.hosting.event_options import INSTANT, ONE_AT_A_TIME, QUIET
from fastv.app.hosting.last_change import after_changes
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import Request
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import status
from fastv.app.shared.share_bar import share_bar
from fastv.app.shared.tab import Updates, Values, or_skip
from fastv.errors import FastVError
from fastv.presentation import comparison_html
from fastv.presentation.side_labels import side_labels

MORE_ROUNDS = 5  # added where noise hides a difference: by themselves on a busy machine, else on request
_STOPPED = "Stopped. Partial answers are kept; no timings were recorded."
# Answers are about the present picture again, and keep their room while they are empty. In one column the question is
# below them.
_SHOW = """() => {
  document.querySelector(".compare").classList.remove("outdated");
  for (const part of document.querySelectorAll("#answers, #tiles, #many")) {
    part.style.minHeight = `${part.offsetHeight}px`;
  }
  if (innerWidth < 880) document.getElementById("kept").scrollIntoView({behavior: "smooth", block: "start"});
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
        ui.tiles,
        ui.remark,
        ui.table,
        ui.kept,
        ui.other_kept,
        *ui.export.downloads,
        ui.export.share,
    ]

    def run(sender: gr.Request, values: Values) -> Iterator[Updates]:
        chosen = link.chosen_link(ui, values)
        address = chosen.address(sender.headers.get("referer"))
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
                more_when_busy=MORE_ROUNDS,
            )

        steps = view_stream(make_request, pool, policy, {} if is_clip else values[ui.known])
        try:
            for view in steps:
                if view.problem:
                    status.warn(view.problem)
                updates = _updates(ui, view, address)
                if view.table is not None:
                    updates[ui.export.share] = share_bar(view.finished, None if is_clip else chosen.scene, chosen.query)
                yield or_skip(updates)
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

    def more(values: Values) -> Updates:
        return {ui.repeats: min(ui.repeats.maximum, values[ui.repeats] + MORE_ROUNDS)}

    asked = ui.tiles.submit(more, {ui.repeats}, [ui.repeats], **INSTANT)
    asked.then(None, None, None, js='() => document.getElementById("run").click()', **QUIET)
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
        updates: Updates = {ui.table: comparison_html.table(labels=names)}
        if not values[ui.shown_key][-1]:  # no recorded answers are shown
            updates[ui.answers] = comparison_html.answers("", "", names)
        return updates

    # The models too: a State does not tell of a change that skips the queue, as a link's does.
    parts = (*ui.side_inputs, ui.model, ui.baseline.model)
    after_changes(parts, headings, {ui.fresh, ui.shown_key, *ui.side_inputs}, [ui.answers, ui.table])


def _updates(ui: CompareControls, view: View, link: str | None) -> Updates:
    shown: dict[Any, str | None] = {
        ui.status: view.status,
        ui.answers: view.answers,
        ui.tiles: view.tiles,
        ui.table: view.table,
        ui.remark: view.remark,
    }
    updates: Updates = {component: html for component, html in shown.items() if html is not None}
    if view.table is not None:  # files are there when a run is done, and gone when the next one clears the table
        updates |= export.file_updates(ui.export, view.finished, view.expected, link)
    if view.kept is not None:
        kept, *other = view.kept
        updates |= {ui.kept: kept, ui.other_kept: gr.HTML("".join(other), visible=bool(other))}
    return updates


def _buttons(ui: CompareControls, running: bool) -> Updates:
    return {ui.run: gr.Button(interactive=not running), ui.stop: gr.Button(interactive=running)}
