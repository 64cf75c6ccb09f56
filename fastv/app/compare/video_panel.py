"""Questions about a clip: controls where the model reads videos, a sentence where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from fastv.app.service.model_outline import ModelOutline
from fastv.families.catalogue import ModelEntry
from fastv.inputs.video import no_videos
from fastv.presentation.html import render


@dataclass
class VideoPanel:
    """The components.

    Attributes
    ----------
    file
        The video that is asked about; None for a picture.
    which
        "example", "own" or None.
    frames
        The clip's frames, in the picture's place.
    row
        The controls.
    back
        The way back to the picture.
    unsupported
        Why there are no controls.
    """

    file: gr.UploadButton
    which: gr.State
    frames: gr.HTML
    row: gr.Row
    example: gr.Button
    back: gr.Button
    unsupported: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """What changes with the clip."""
        return [self.file, self.which, self.frames, self.back]


def frames() -> gr.HTML:
    """The place of the frames, in the Blocks that are open."""
    return gr.HTML("", visible=False, elem_id="clip-frames", apply_default_css=False)


def layout(model: ModelOutline, strip: gr.HTML) -> VideoPanel:
    """The controls, in the Blocks that are open; strip: what ``frames`` returned."""
    reads = model.family.videos
    with gr.Row(elem_id="clips", visible=reads) as row:
        file = gr.UploadButton(
            "Ask about a video…", size="sm", file_types=["video", ".gif"], elem_id="clip", min_width=90
        )
        example = gr.Button("Example clip", size="sm", elem_id="example-clip", min_width=90)
        back = gr.Button("Back to the image", size="sm", visible=False, elem_id="no-clip", min_width=90)
    unsupported = gr.HTML(unsupported_note(model.entry), visible=not reads, elem_id="no-clips", apply_default_css=False)
    return VideoPanel(file, gr.State(None), strip, row, example, back, unsupported)


def unsupported_note(entry: ModelEntry) -> str:
    """Why there are no controls, as HTML."""
    return render("app/compare/note", sentence=no_videos(entry.name))
