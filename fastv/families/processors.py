"""What turns a question with pictures or videos into a model's inputs, read from a checkpoint's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    ProcessorMixin,
    Qwen2_5_VLProcessor,
    Qwen2VLProcessor,
    VideoLlavaProcessor,
)
from transformers.video_processing_utils import VideoProcessorMixin

from fastv.families.videos import ClipVideos, PairedVideos


class _OwnVideos:
    """Lets a processor take a video processor of ours: the libraries' base class is there with torchvision only."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        if isinstance(argument, ClipVideos):
            return ClipVideos
        return super().check_argument_for_proper_class(argument_name, argument)


class VideoLlava(_OwnVideos, VideoLlavaProcessor):
    videos = ClipVideos


class Qwen2VL(_OwnVideos, Qwen2VLProcessor):
    videos = PairedVideos


class Qwen2_5_VL(_OwnVideos, Qwen2_5_VLProcessor):
    videos = PairedVideos


# AutoProcessor would insist on the libraries' video processors, and so on torchvision, even for pictures.
WITH_VIDEOS = {"video_llava": VideoLlava, "qwen2_vl": Qwen2VL, "qwen2_5_vl": Qwen2_5_VL}


def read_processor(source: str | Path, model_type: str) -> ProcessorMixin:
    """The processor of a checkpoint, a folder or a hub id, for a model of this ``config.model_type``.

    Raises what transformers raises where files are missing or broken: OSError, ValueError, KeyError, TypeError.
    """
    if model_type not in WITH_VIDEOS:
        return AutoProcessor.from_pretrained(source, backend="pil", trust_remote_code=False)
    kind = WITH_VIDEOS[model_type]
    pictures = AutoImageProcessor.from_pretrained(source, backend="pil", trust_remote_code=False)
    parts = {
        "image_processor": pictures,
        "video_processor": kind.videos(pictures, _video_size(source)),
        "tokenizer": AutoTokenizer.from_pretrained(source, trust_remote_code=False),
    }
    settings, _ = kind.get_processor_dict(source)
    return kind.from_args_and_dict([parts[name] for name in kind.get_attributes()], settings)


def _video_size(source: str | Path) -> dict[str, int] | None:
    """The size of a video's frames where a checkpoint says it, as it may with settings of their own."""
    try:
        settings, _ = VideoProcessorMixin.get_video_processor_dict(source)
    except OSError:  # there are settings of pictures alone
        return None
    return settings.get("size")
