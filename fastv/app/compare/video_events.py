"""What happens on the Compare tab when a clip is chosen, and when it is left again."""

from __future__ import annotations

from typing import Any

import gradio as gr

from fastv.app.compare import video_panel
from fastv.app.compare.components import CompareControls
from fastv.app.compare.picture_events import suggest
from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import example_scenes, status
from fastv.app.shared.deep_link import EXAMPLE_CLIP, OWN_CLIP
from fastv.app.shared.tab import Updates, Values
from fastv.errors import FastVError
from fastv.inputs.video import open_video
from fastv.miniature.world.example_clip import CLIP
from fastv.presentation.filmstrip import clip_strip


def clip_outputs(ui: CompareControls) -> list[Any]:
    """The components that change with a clip."""
    return [*ui.video.outputs, ui.picture, ui.question, *ui.chips]


def connect_video(ui: CompareControls, pool: ModelPool, policy: RunPolicy) -> None:
    """Takes a clip, or the picture again, and follows the model."""
    panel, shown = ui.video, clip_outputs(ui)
    asked: set[Any] = {ui.question, ui.known}

    def own(values: Values) -> Updates:
        try:
            strip = clip_strip(policy.open_video(upload_path(values[panel.file], "video")))
        except FastVError as error:
            status.warn(str(error))
            return without_clip(ui)
        return _with_clip(ui, OWN_CLIP, strip, values[ui.question], values[ui.known])

    def example(values: Values) -> Updates:
        return example_clip(ui, values[ui.question], values[ui.known])

    def back(values: Values) -> Updates:
        return _back(ui, values[ui.scene], values[ui.question])

    def follow_model(values: Values) -> Updates:
        model = pool.outline(values[ui.in_use])
        reads = model.family.videos
        return {
            panel.row: gr.Row(visible=reads),
            panel.unsupported: gr.HTML(video_panel.unsupported_note(model.entry), visible=not reads),
            **({} if reads else without_clip(ui)),
        }

    # Not preprocessed: Gradio would copy whatever was sent before its size was checked.
    panel.file.upload(own, {panel.file, *asked}, shown, preprocess=False, concurrency_limit=1, **QUIET)
    panel.example.click(example, asked, shown, **INSTANT)
    panel.back.click(back, {ui.scene, *asked}, shown, **INSTANT)
    picture_chosen = [ui.gallery.select, ui.new_scene.click]
    gr.on(picture_chosen, lambda: without_clip(ui), None, [*panel.outputs, ui.picture], **INSTANT)
    # The note: a State does not tell of a change that skips the queue, and a chosen model is not yet in use.
    ui.note.change(follow_model, {ui.in_use}, [panel.row, panel.unsupported, *panel.outputs, ui.picture], **INSTANT)


def example_clip(ui: CompareControls, question: str, known: dict[str, str]) -> Updates:
    """The clip that comes with the project."""
    strip = clip_strip(open_video(CLIP))
    return {ui.video.file: str(CLIP), **_with_clip(ui, EXAMPLE_CLIP, strip, question, known)}


def _with_clip(ui: CompareControls, which: str, strip: str, question: str, known: dict[str, str]) -> Updates:
    """All but the file. A question of the visitor's own stays; one about the previous picture is replaced."""
    of_picture = not question.strip() or example_scenes.true_answer(known, question) is not None
    return {
        ui.video.which: which,
        ui.video.frames: gr.HTML(strip, visible=True),
        ui.video.back: gr.Button(visible=True),
        ui.picture: gr.Image(visible="hidden"),
        **({ui.question: example_scenes.CLIP[0]} if of_picture else {}),
        **suggest(ui, example_scenes.CLIP),
    }


def without_clip(ui: CompareControls) -> Updates:
    """The picture in place of a clip."""
    return {
        ui.video.file: None,
        ui.video.which: None,
        ui.video.frames: gr.HTML("", visible=False),
        ui.video.back: gr.Button(visible=False),
        ui.picture: gr.Image(visible=True),
    }


def _back(ui: CompareControls, scene: int | None, question: str) -> Updates:
    suggestions = example_scenes.GENERAL if scene is None else example_scenes.example(scene).suggestions
    replaced = {ui.question: suggestions[0]} if question in example_scenes.CLIP else {}
    return {**without_clip(ui), **replaced, **suggest(ui, suggestions)}
