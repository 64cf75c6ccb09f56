"""Processors that make inputs of videos without torchvision, read from a checkpoint's files."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BaseImageProcessor,
    BatchFeature,
    ProcessorMixin,
    VideoLlavaImageProcessor,
)
from transformers.image_utils import ChannelDimension
from transformers.video_processing_utils import VideoProcessorMixin

from fastv.families.videos import FrameVideoProcessor


@lru_cache
def taking_frame_videos(kind: Any) -> Any:
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
    source: str | Path,
    kind: Any,
    videos: Callable[..., FrameVideoProcessor],
    adapt_pictures: Callable[[BaseImageProcessor], BaseImageProcessor] = lambda pictures: pictures,
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
    adapt_pictures
        Given what prepares pictures, returns what is used in its place, for frames too.
    """
    pictures = adapt_pictures(AutoImageProcessor.from_pretrained(source, backend="pil", trust_remote_code=False))
    parts = {
        "image_processor": pictures,
        "video_processor": videos(pictures, _video_size(source)),
        "tokenizer": AutoTokenizer.from_pretrained(source, trust_remote_code=False),
    }
    taking_videos = taking_frame_videos(kind)
    settings, _ = taking_videos.get_processor_dict(source)
    return taking_videos.from_args_and_dict([parts[name] for name in taking_videos.get_attributes()], settings)


def with_channels_last(pictures: BaseImageProcessor) -> BaseImageProcessor:
    """Tells Video-LLaVA's image processor that a picture's channels come last.

    It guesses otherwise: a picture 3 pixels high is then silently read with height and channels mixed up.
    """
    if not isinstance(pictures, VideoLlavaImageProcessor):
        return pictures
    return _ChannelsLastImageProcessor.from_dict(pictures.to_dict())


class _ChannelsLastImageProcessor(VideoLlavaImageProcessor):
    def preprocess(self, images: Any = None, *, input_data_format: Any = None, **options: Any) -> BatchFeature:
        if input_data_format is None and _has_channels_last(images):
            input_data_format = ChannelDimension.LAST
        return super().preprocess(images, input_data_format=input_data_format, **options)


_ChannelsLastImageProcessor.__name__ = VideoLlavaImageProcessor.__name__  # it is saved under this name


def _has_channels_last(images: Any) -> bool:
    while isinstance(images, (list, tuple)) and images:
        images = images[0]
    return isinstance(images, Image.Image) or (hasattr(images, "shape") and images.shape[-1] == 3)


def _video_size(source: str | Path) -> dict[str, int] | None:
    """The size of a video's frames where a checkpoint says it, as it may with settings of their own."""
    try:
        settings, _ = VideoProcessorMixin.get_video_processor_dict(source)
    except OSError:  # there are settings of pictures alone
        return None
    return settings.get("size")
