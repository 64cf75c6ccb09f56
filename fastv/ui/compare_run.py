"""Run, and its end: by itself, by an error, or by Stop."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from fastv.ui import results, taking
from fastv.ui.answering import Request, View, upload_path, views
from fastv.ui.parts import INSTANT, ONE_AT_A_TIME, Parts
from fastv.ui.share import link_of
from fastv.ui.shelf import Shelf


def connect_run(parts: Parts, shelf: Shelf) -> None:
    """Lets Run, Enter and Stop begin and end comparisons."""
    buttons = [parts.run, parts.stop]
    shown = [parts.status, parts.answers, parts.table, parts.kept_picture, parts.kept_words, *parts.taking.downloads]
    asked = [parts.picture, parts.question, parts.known, parts.scene, parts.in_use]
    settings = [parts.k, parts.r, parts.rank, parts.max_new_tokens, parts.repeats]

    def run(
        upload: Any, question: str, known: dict, scene: int | None, model: str, k: int, r_percent: float, rank: str,
        most: int, rounds: int, sender: gr.Request
    ) -> Iterator[list]:
        said = {"model": model, "k": k, "r": r_percent, "question": question, "scene": scene, "rank": rank}
        link = link_of(said).address(sender.headers.get("referer"))

        def request() -> Request:
            picture, r = upload_path(upload), r_percent / 100
            return Request(picture, question, model, k, r, rank, max_new_tokens=most, repeats=rounds)

        steps = views(shelf, request, known)
        try:
            for view in steps:
                if view.problem:
                    gr.Warning(escape(view.problem))
                yield _updates(view) + _files(parts.taking, view, link)
        finally:
            steps.close()

    # The first step does not queue: the buttons change at once, and Stop also works on a run that still waits.
    pressed = gr.on(
        [parts.run.click, parts.question.submit],
        lambda: (results.status("Waiting for its turn…", 0.0), *_buttons(True)),
        None,
        [parts.status, *buttons],
        **INSTANT,
    )
    running = pressed.then(
        run, [*asked, *settings], shown, preprocess=False, show_progress="minimal", show_progress_on=[parts.status],
        api_visibility="private", **ONE_AT_A_TIME,
    )
    running.success(lambda: _buttons(False), None, buttons, **INSTANT)
    # A run that was stopped has failed in Gradio's eyes; so has one that found the line full, which Gradio then says.
    ends = [running.failure, parts.stop.click(None, cancels=[running], api_visibility="private").then]
    for end in ends:
        end(
            lambda: (results.status("Stopped. What was there stays."), *_buttons(False)),
            None,
            [parts.status, *buttons],
            **INSTANT,
        )


def _updates(view: View) -> list:
    """Status, answers, table, kept picture and the words beside it; those that stay as they are skipped."""
    shown = [view.status, view.answers, view.table]
    if view.kept:
        shown += [gr.Image(view.kept.picture, alt_text=view.kept.description), view.kept.words]
    else:
        shown += [None, None]
    return [gr.skip() if part is None else part for part in shown]


def _files(made: taking.Taking, view: View, link: str | None) -> list:
    """The downloads: there when a run is done, gone when the next one clears the table."""
    if view.table is None:
        return [gr.skip()] * len(made.downloads)
    return taking.files(made, view.finished, view.expected, link)


def _buttons(running: bool) -> tuple[gr.Button, gr.Button]:
    return gr.Button(interactive=not running), gr.Button(interactive=running)
