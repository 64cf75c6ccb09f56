"""What happens when a clip is chosen, and when it goes again."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from fastv.app.compare import video_panel
from fastv.app.compare.components import CompareControls
from fastv.app.compare.events import chips_of
from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import example_scenes
from fastv.app.shared.deep_link import EXAMPLE_CLIP, OWN_CLIP, link_of
from fastv.errors import FastVError
from fastv.inputs.video import open_video
from fastv.miniature.world.example_clip import CLIP
from fastv.presentation.filmstrip import clip_strip


def connect_clips(parts: CompareControls, pool: ModelPool, policy: RunPolicy) -> None:
    """Takes a clip, or the picture again, and follows the model."""
    made = parts.clips
    place = [*made.changing, parts.picture]
    shown = [*place, parts.question, *parts.chips]
    asked = [parts.question, parts.known]

    def own(upload: Any, question: str, known: dict) -> list:
        try:
            strip = clip_strip(policy.open_video(upload_path(upload, "video")))
        except FastVError as error:
            gr.Warning(escape(str(error)))
            return [*_picture(), *[gr.skip()] * (len(shown) - len(place))]
        return [gr.skip(), *_clip(OWN_CLIP, strip, question, known)]

    # Not preprocessed: Gradio would copy whatever was sent before anybody had a look at it.
    made.file.upload(own, [made.file, *asked], shown, preprocess=False, concurrency_limit=1, **QUIET)
    made.example.click(example_clip, asked, shown, **INSTANT)
    made.back.click(_back, [parts.scene, parts.question], shown, **INSTANT)
    gr.on([parts.gallery.select, parts.new_scene.click], _picture, None, place, **INSTANT)

    def followed(key: str) -> list:
        loaded = pool.get_loaded(key)
        if loaded is None:
            return [gr.skip()] * (2 + len(place))
        reads = loaded.family.videos
        clip = [gr.skip()] * len(place) if reads else _picture()
        return [gr.Row(visible=reads), gr.HTML(video_panel.sentence(loaded), visible=not reads), *clip]

    # The note: a State tells of no change that skips the queue, and the choice of a model is not yet its use.
    parts.note.change(followed, [parts.in_use], [made.row, made.without, *place], **INSTANT)


def connect_link(parts: CompareControls, pool: ModelPool, opened: Any) -> None:
    """A link to the example clip shows it; opened: the event that reads all else of the link."""

    def follow(visit: gr.Request, key: str, question: str, known: dict) -> list:
        loaded = pool.get_loaded(key)
        if link_of(visit.query_params).clip != EXAMPLE_CLIP or loaded is None or not loaded.family.videos:
            return [gr.skip()] * len(shown)
        return example_clip(question, known)

    shown = [*parts.clips.changing, parts.picture, parts.question, *parts.chips]
    opened.then(follow, [parts.in_use, parts.question, parts.known], shown, **INSTANT)


def example_clip(question: str, known: dict) -> list:
    """File, which it is, strip, the way back, picture, question, suggestions: the clip that comes with the project."""
    return [str(CLIP), *_clip(EXAMPLE_CLIP, clip_strip(open_video(CLIP)), question, known)]


def _clip(which: str, strip: str, question: str, known: dict) -> list:
    """All but the file. A question of one's own stays; one about the last picture goes with it."""
    of_picture = not question.strip() or example_scenes.true_answer(known, question) is not None
    return [
        which,
        gr.HTML(strip, visible=True),
        gr.Button(visible=True),
        gr.Image(visible="hidden"),
        example_scenes.CLIP[0] if of_picture else gr.skip(),
        *chips_of(example_scenes.CLIP),
    ]


def _picture() -> list:
    """File, which it is, strip, the way back, picture: without a clip."""
    return [None, None, gr.HTML("", visible=False), gr.Button(visible=False), gr.Image(visible=True)]


def _back(scene: int | None, question: str) -> list:
    suggestions = example_scenes.GENERAL if scene is None else example_scenes.example(scene).suggestions
    asked = suggestions[0] if question in example_scenes.CLIP else gr.skip()
    return [*_picture(), asked, *chips_of(suggestions)]
