"""Processors that make inputs of videos without torchvision, read from a checkpoint's files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoImageProcessor, AutoTokenizer, ProcessorMixin
from transformers.video_processing_utils import VideoProcessorMixin

from fastv.families.videos import FrameVideoProcessor


@lru_cache
def taking_frame_videos(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """A processor class that also takes a ``FrameVideoProcessor``: the libraries' own video processors, and the base
    class that it would check for, are there with torchvision only.
    """

    class Processor(kind):
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if isinstance(argument, FrameVideoProcessor):
                return FrameVideoProcessor
            return super().check_argument_for_proper_class(argument_name, argument)

    Processor.__name__ = Processor.__qualname__ = kind.__name__
    return Processor


def read_with_videos(
    source: str | Path, kind: type[ProcessorMixin], videos: type[FrameVideoProcessor]
) -> ProcessorMixin:
    """The processor of a checkpoint whose family reads videos.

    AutoProcessor would insist on the libraries' video processors, and so on torchvision, even for pictures.

    Parameters
    ----------
    source
        A folder or a hub id.
    kind
        The processor's class in transformers.
    videos
        What prepares videos in place of that class's own.
    """
    pictures = AutoImageProcessor.from_pretrained(source, backend="pil", trust_remote_code=False)
    parts = {
        "image_processor": pictures,
        "video_processor": videos(pictures, _video_size(source)),
        "tokenizer": AutoTokenizer.from_pretrained(source, trust_remote_code=False),
    }
    kind = taking_frame_videos(kind)
    settings, _ = kind.get_processor_dict(source)
    return kind.from_args_and_dict([parts[name] for name in kind.get_attributes()], settings)


def _video_size(source: str | Path) -> dict[str, int] | None:
    """The size of a video's frames where a checkpoint says it, as it may with settings of their own."""
    try:
        settings, _ = VideoProcessorMixin.get_video_processor_dict(source)
    except OSError:  # there are settings of pictures alone
        return None
    return settings.get("size")
