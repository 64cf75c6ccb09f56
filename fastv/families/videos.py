"""Videos for the models that read them, prepared frame by frame with the model's own processor for pictures.

The libraries' video processors need torchvision, which must fit the build of torch; pictures and frames do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import BaseImageProcessor, BatchFeature
from transformers.video_processing_utils import VideoProcessorMixin
from transformers.video_utils import make_batched_metadata, make_batched_videos


class FrameVideoProcessor(VideoProcessorMixin):
    """Video-LLaVA's: every frame scaled and cropped like a picture.

    Parameters
    ----------
    pictures
        The model's own processor for pictures.
    size
        What frames are scaled to where that is not what pictures are scaled to, in the terms of ``pictures``.
    """

    def __init__(self, pictures: BaseImageProcessor, size: dict[str, int] | None = None) -> None:
        super().__init__()
        self.pictures: Any = pictures  # each class has attributes of its own
        self.size = size

    def to_dict(self) -> dict[str, Any]:
        """The settings, which but for the size are those of pictures."""
        return self.pictures.to_dict() | ({"size": self.size} if self.size else {})

    def preprocess(
        self,
        videos: Any,
        *,
        size: dict[str, int] | None = None,
        video_metadata: Any = None,
        return_metadata: bool = False,
        **_: Any,
    ) -> BatchFeature:
        """Prepare one or several videos.

        Parameters
        ----------
        videos
            Each frames (frames, height, width, 3) of 0 to 255, or a list of pictures.
        size
            What frames are scaled to in this call.
        video_metadata, return_metadata
            As the processor of the family hands them on.

        Returns
        -------
        BatchFeature
            ``pixel_values_videos``, float32 (videos, frames, 3, height, width).
        """
        batch: Any = make_batched_videos(videos)
        made = BatchFeature(self._prepared([list(video) for video in batch], size or self.size))
        if return_metadata:
            made["video_metadata"] = make_batched_metadata(batch, video_metadata=video_metadata)
        return made

    def _prepared(self, videos: list[list], size: dict[str, int] | None) -> dict[str, torch.Tensor]:
        return {"pixel_values_videos": torch.stack([self._frames(video, size)[0] for video in videos])}

    def _frames(self, frames: list, size: dict[str, int] | None) -> tuple[torch.Tensor, Any]:
        """What the processor of pictures makes of frames: their values, and where their sizes differ the grids."""
        options = {"size": size} if size else {}
        arrays = [np.asarray(frame) for frame in frames]
        # Said, for it would be guessed: frames 3 pixels high would be read with height and channels mixed up.
        made = self.pictures(images=arrays, input_data_format="channels_last", return_tensors="pt", **options)
        pixels = made["pixel_values_images" if "pixel_values_images" in made else "pixel_values"]
        return pixels, made.get("image_grid_thw")


class PairedFrameVideoProcessor(FrameVideoProcessor):
    """Qwen-VL's: every ``temporal_patch_size`` frames become one, the last is repeated to fill up.

    Makes ``pixel_values_videos``, float32 (patches, numbers in a patch), all videos in turn, and ``video_grid_thw``,
    long (videos, 3).
    """

    def __init__(self, pictures: BaseImageProcessor, size: dict[str, int] | None = None) -> None:
        super().__init__(pictures, size)
        self.merge_size, self.temporal_patch_size = self.pictures.merge_size, self.pictures.temporal_patch_size

    def _prepared(self, videos: list[list], size: dict[str, int] | None) -> dict[str, torch.Tensor]:
        patches, grids = zip(*(self._paired(video, size) for video in videos))
        return {"pixel_values_videos": torch.cat(patches), "video_grid_thw": torch.tensor(grids)}

    def _paired(self, frames: list, size: dict[str, int] | None) -> tuple[torch.Tensor, list[int]]:
        span = self.temporal_patch_size
        frames = frames + frames[-1:] * (-len(frames) % span)
        values, grids = self._frames(frames, size)
        moments = len(frames) // span
        rows, columns = grids[0, 1:].tolist()
        # A picture's patch holds it span times over; a video's holds span frames, of which each brings its own.
        area = self.pictures.patch_size**2
        single = values.view(moments, span, rows * columns, -1, span, area)[:, :, :, :, 0]
        return single.permute(0, 2, 3, 1, 4).reshape(moments * rows * columns, -1), [moments, rows, columns]
