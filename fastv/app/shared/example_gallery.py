"""The example pictures as a row of thumbnails to choose from."""

from __future__ import annotations

from typing import Any

import gradio as gr

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


def chosen_seed(event: gr.SelectData) -> int:
    """The seed of the thumbnail that was chosen."""
    index: Any = event.index[0] if isinstance(event.index, (tuple, list)) else event.index
    return GALLERY_SEEDS[index]
