"""Where visual tokens lie: each picture, or frame of a video, as the vision tower gets it, and the grid over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """A picture, or a moment of a video.

    pixels: floating (3, height, width), scaled, cropped and normalized. grid: rows and columns of its visual tokens,
    which stand in the prompt row by row. lead: how many visual tokens stand before those and belong to no place.
    """

    pixels: Tensor
    grid: tuple[int, int]
    lead: int = 0

    @property
    def tokens(self) -> int:
        return self.lead + self.grid[0] * self.grid[1]


def clip_frames(config: Any, inputs: Mapping[str, Tensor]) -> list[Frame]:
    """Those of LLaVA and Video-LLaVA: a grid of patches each, in videos behind the tower's class token.

    inputs: what the processor made; pictures are (pictures, 3, height, width) and videos (videos, frames, 3, height,
    width). Pictures come first, whatever the order in the prompt.
    """
    patch = config.vision_config.patch_size
    whole = config.vision_feature_select_strategy == "full"
    pictures = inputs.get("pixel_values", inputs.get("pixel_values_images"))
    videos = inputs.get("pixel_values_videos")
    found = [(pixels, int(whole)) for pixels in ([] if pictures is None else pictures)]
    found += [(pixels, 1) for pixels in ([] if videos is None else videos.flatten(0, 1))]
    return [Frame(pixels, (pixels.shape[-2] // patch, pixels.shape[-1] // patch), lead) for pixels, lead in found]


def merged_frames(config: Any, inputs: Mapping[str, Tensor]) -> list[Frame]:
    """Those of Qwen-VL: any size, square blocks of patches merged into one token, frames of a video taken in pairs.

    inputs: what the processor made; the patches of all pictures are the rows of one matrix, block by block. Of each
    pair of frames the first is shown. Pictures come first, whatever the order in the prompt.
    """
    frames = []
    for pixels, grids in (("pixel_values", "image_grid_thw"), ("pixel_values_videos", "video_grid_thw")):
        start = 0
        for moments, rows, columns in inputs[grids].tolist() if grids in inputs else ():
            patches = inputs[pixels][start : start + moments * rows * columns]
            start += len(patches)
            frames += _unfolded(config.vision_config, patches, moments, rows, columns)
    return frames


def _unfolded(vision: Any, patches: Tensor, moments: int, rows: int, columns: int) -> list[Frame]:
    side, block = vision.patch_size, vision.spatial_merge_size
    high, wide = rows // block, columns // block
    parts = patches.view(moments, high, wide, block, block, vision.in_channels, vision.temporal_patch_size, side, side)
    pictures = parts[:, :, :, :, :, :, 0].permute(0, 5, 1, 3, 6, 2, 4, 7)
    pictures = pictures.reshape(moments, vision.in_channels, rows * side, columns * side)
    return [Frame(pixels, (high, wide)) for pixels in pictures]
