"""Choosing an image: the example scenes as a row of thumbnails, and a box for one of a visitor's own."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from fastv.app.shared.example_scenes import GALLERY_SEEDS, example


def example_gallery(elem_id: str) -> gr.Gallery:
    """In the Blocks that are open."""
    scenes = [example(seed) for seed in GALLERY_SEEDS]
    return gr.Gallery(
        [(scene.picture, scene.description) for scene in scenes],
        label="Examples",
        columns=6,
        allow_preview=False,
        interactive=False,
        buttons=[],
        object_fit="cover",
        elem_id=elem_id,
    )


def image_box(
    picture: Image.Image, *, label: str, height: int, elem_id: str, alt_text: str, **settings: Any
) -> gr.Image:
    """The image in use, which a visitor can replace, in the Blocks that are open.

    Parameters
    ----------
    picture : PIL image
        The image to begin with.
    height : int
        Pixels.
    settings
        More of ``gr.Image``'s.
    """
    return gr.Image(
        picture,
        label=label,
        type="filepath",
        format="png",
        height=height,
        buttons=[],
        sources=["upload", "clipboard"],
        elem_id=elem_id,
        alt_text=alt_text,
        **settings,
    )


def chosen_seed(event: gr.SelectData) -> int:
    """The seed of the thumbnail that was chosen."""
    index: Any = event.index[0] if isinstance(event.index, (tuple, list)) else event.index
    return GALLERY_SEEDS[index]
