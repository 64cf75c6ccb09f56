"""What a sample shows, opened for a model: one image, several, or a clip."""

from __future__ import annotations

from PIL import Image

from fastv.inputs.image import open_picture
from fastv.inputs.video import Clip, open_video
from fastv.sweep.datasets.base import Sample


def open_shown(sample: Sample) -> Image.Image | tuple[Image.Image, ...] | Clip:
    """Open the files of a sample. Raises InvalidInputError where one of them cannot be used."""
    if sample.is_video:
        return open_video(sample.image.read_bytes())
    pictures = tuple(open_picture(file.read_bytes()) for file in sample.files)
    return pictures if len(pictures) > 1 else pictures[0]
