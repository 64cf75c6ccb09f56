"""What happens on the Compare tab when a picture is chosen."""

from __future__ import annotations

from random import SystemRandom
from typing import Any

import gradio as gr

from fastv.app.compare.components import CompareControls
from fastv.app.compare.view_stream import knows_scenes_only
from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import example_scenes, status
from fastv.app.shared.image_choice import chosen_seed
from fastv.app.shared.tab import Updates, Values
from fastv.errors import FastVError
from fastv.presentation.seen_html import seen_picture, seen_placeholder


def connect_picture(ui: CompareControls, pool: ModelPool, policy: RunPolicy) -> None:
    """Examples, drawn scenes and the visitor's own pictures, with questions that fit each."""
    asked: set[Any] = {ui.question, ui.known}

    def pick(event: gr.SelectData, values: Values) -> Updates:
        return show_scene(ui, chosen_seed(event), values[ui.question], values[ui.known])

    def new_scene(values: Values) -> Updates:
        return show_scene(ui, SystemRandom().randrange(10**6), values[ui.question], values[ui.known])

    def own_picture(values: Values) -> Updates:
        """A visitor's own picture, refused at once if it cannot be used; nothing is known of what it shows."""
        upload = values[ui.picture]
        updates: Updates = {
            ui.known: {},
            ui.scene: None,
            ui.kept: seen_placeholder(),
            ui.status: status.status(""),
            **suggest(ui, example_scenes.GENERAL),
        }
        if upload is None:
            return updates
        try:
            updates[ui.kept] = seen_picture(policy.open_image(upload_path(upload)))
        except FastVError as error:
            status.warn(str(error))
            return updates | {ui.picture: None}
        entry = pool.entry(values[ui.in_use])
        if entry.embedded:
            updates[ui.status] = status.status(knows_scenes_only(entry.name))
        return updates

    ui.gallery.select(pick, asked, ui.picture_outputs, **INSTANT)
    ui.new_scene.click(new_scene, asked, ui.picture_outputs, **INSTANT)
    # Not preprocessed: Gradio would open and decode whatever was sent before its size was checked.
    ui.picture.input(
        own_picture,
        {ui.picture, ui.in_use},
        [*ui.picture_outputs, ui.kept, ui.status],
        preprocess=False,
        concurrency_limit=2,
        **QUIET,
    )
    for chip in ui.chips:
        chip.click(None, [chip], [ui.question], js="text => text", **QUIET)


def show_scene(ui: CompareControls, seed: int, question: str, known: dict[str, str]) -> Updates:
    """The picture of a seed and its suggestions.

    A question of the visitor's own stays; one about the previous picture is replaced.
    """
    scene = example_scenes.example(seed)
    replaced = (
        not question.strip()
        or question in example_scenes.CLIP
        or example_scenes.true_answer(known, question) is not None
    )
    return {
        ui.picture: scene.picture,
        ui.known: scene.answers,
        ui.scene: seed,
        **({ui.question: scene.suggestions[0]} if replaced else {}),
        **suggest(ui, scene.suggestions),
    }


def suggest(ui: CompareControls, suggestions: tuple[str, ...]) -> Updates:
    """The buttons for these questions; buttons without one are hidden."""
    padded = [*suggestions, *[""] * (len(ui.chips) - len(suggestions))]
    return {chip: gr.Button(text, visible=bool(text)) for chip, text in zip(ui.chips, padded, strict=False)}
