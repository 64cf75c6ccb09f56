"""Sizes of a SigLIP 2 NaFlex tower: pictures keep their proportions, and each is filled up to one number of patches.

A picture that is much larger than that is cut into tiles of one size, with an overview where the checkpoint has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Any

from fastv.families.config_fields import size
from fastv.families.shapes import VisionShape
from fastv.families.siglip_shapes import head_flops, head_parameters
from fastv.families.tiled_shapes import area, nearest_grid


@dataclass(frozen=True)
class PictureLimits:
    """What LFM2-VL's processor makes of a picture.

    patch: pixels of a patch's side. merge: patches of a visual token's side. least_tokens, most_tokens: of a picture
    that is read whole. tolerance: how many times ``most_tokens`` a picture may have before it is cut. tile: pixels of a
    tile's side; 0 where no picture is cut.
    """

    patch: int = 16
    merge: int = 2
    least_tokens: int = 64
    most_tokens: int = 256
    tolerance: float = 2.0
    tile: int = 512
    least_tiles: int = 2
    most_tiles: int = 10
    overview: bool = True

    @property
    def unit(self) -> int:
        """Pixels of a visual token's side."""
        return self.patch * self.merge

    @property
    def slots(self) -> int:
        """Patches that each piece of a picture is filled up to."""
        return max(self.most_tokens * self.merge**2, (self.tile // self.patch) ** 2)

    def whole(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of visual tokens of a picture that is read whole, and of an overview."""
        unit = self.unit
        rows, columns = max(1, round(height / unit)), max(1, round(width / unit))
        if rows * columns > self.most_tokens:
            shrink = sqrt(height * width / (self.most_tokens * unit**2))
            return max(1, floor(height / shrink / unit)), max(1, floor(width / shrink / unit))
        if rows * columns < self.least_tokens:
            grow = sqrt(self.least_tokens * unit**2 / (height * width))
            return ceil(height * grow / unit), ceil(width * grow / unit)
        return rows, columns

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tiles that a picture is cut into; (1, 1) where it is read whole."""
        high, wide = (max(self.patch, round(side / self.unit) * self.unit) for side in (height, width))
        if not self.tile or high * wide <= self.most_tokens * self.unit**2 * self.tolerance:
            return 1, 1
        return nearest_grid(height, width, self.tile, self.least_tiles, self.most_tiles)

    def pieces(self, height: int, width: int) -> list[tuple[int, int]]:
        """Rows and columns of visual tokens of all that is read of a picture, in their order in the prompt."""
        tiles, whole = area(self.grid(height, width)), self.whole(height, width)
        side = self.tile // self.unit
        return [whole] if tiles == 1 else [(side, side)] * tiles + [whole] * self.overview


def picture_limits(settings: Mapping[str, Any]) -> PictureLimits:
    """Those in a model's config or in its image processor's settings, both of which name them alike."""
    least, most = size(settings, "min_tiles", 2), size(settings, "max_tiles", 10)
    cut = settings.get("do_image_splitting", True) and most > 1
    return PictureLimits(
        patch=size(settings, "encoder_patch_size", 16),
        merge=size(settings, "downsample_factor", 2),
        least_tokens=size(settings, "min_image_tokens", 64),
        most_tokens=size(settings, "max_image_tokens", 256),
        tolerance=float(settings.get("max_pixels_tolerance") or 2.0),
        tile=size(settings, "tile_size", 512) if cut else 0,
        least_tiles=least,
        most_tiles=most,
        overview=bool(settings.get("use_thumbnail", True)),
    )


@dataclass(frozen=True)
class NaflexVisionShape(VisionShape):
    """positions: learned position embeddings, stretched over each picture. pooled: see ``SiglipVisionShape``."""

    any_size = True

    width: int
    ffn_width: int
    layers: int
    channels: int
    positions: int
    pooled: bool
    limits: PictureLimits = PictureLimits()

    @property
    def inputs(self) -> int:
        """Numbers in a patch."""
        return self.channels * self.limits.patch**2

    @property
    def slot_tokens(self) -> int:
        """Visual tokens of a piece that is filled up."""
        return self.limits.slots // self.limits.merge**2

    @property
    def parameters(self) -> int:
        width, ffn = self.width, self.ffn_width
        embeddings = self.inputs * width + width + self.positions * width
        layer = 4 * width * width + 4 * width + 2 * width * ffn + ffn + width + 4 * width
        return embeddings + self.layers * layer + 2 * width + self.pooled * head_parameters(width, ffn)

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """By the pieces that so many visual tokens, with those that fill them up, are."""
        patches, width = self.limits.slots, self.width
        embeddings = 2.0 * patches * width * (self.inputs + self.positions)
        layer = 8.0 * patches * width**2 + 4.0 * patches**2 * width + 4.0 * patches * width * self.ffn_width
        head = self.pooled * head_flops(patches, width, self.ffn_width)
        return visual_tokens / self.slot_tokens * (embeddings + self.layers * layer + head)

    def picture_tokens(self, height: int, width: int, min_pixels: int, max_pixels: int) -> int:
        return sum(map(area, self.limits.pieces(height, width)))

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        return 0  # it reads no videos

    def encoded_tokens(self, visual_tokens: int, pictures: int) -> int:
        """With those that fill up the last piece of each picture; pictures are taken to be alike."""
        if not pictures:
            return visual_tokens
        return pictures * ceil(visual_tokens / pictures / self.slot_tokens) * self.slot_tokens
