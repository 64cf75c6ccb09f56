"""Sizes of towers that read a picture as one or several tiles of one size, and of the projectors behind them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from fastv.families.shapes import ProjectorShape, VisionShape


@dataclass(frozen=True)
class TiledVisionShape(VisionShape):
    """A CLIP-like tower that each tile goes through, by itself.

    tile_tokens: visual tokens that a tile becomes. class_tokens: beside a tile's patches. qkv_bias: of queries, keys
    and values. outer_norms: before and after the layers. layer_scales: vectors of the width in each layer beyond its
    two norms. patch_bias: of what makes patches.
    """

    any_size = True

    width: int
    ffn_width: int
    layers: int
    patches: int
    patch_size: int
    channels: int
    tile_tokens: int
    class_tokens: int = 0
    qkv_bias: bool = True
    outer_norms: int = 1
    layer_scales: int = 0
    heads: int = 0
    patch_bias: bool = True

    @abstractmethod
    def tiles(self, height: int, width: int) -> int:
        """How many tiles a picture of so many pixels becomes, an overview included."""

    @property
    def side(self) -> int:
        """Pixels of a tile's side."""
        return round(self.patches**0.5) * self.patch_size

    @property
    def parameters(self) -> int:
        width, ffn = self.width, self.ffn_width
        patches = self.channels * self.patch_size**2 * width + (width if self.patch_bias else 0)
        positions = (self.patches + self.class_tokens) * width
        attention = 4 * width * width + (3 * self.qkv_bias + 1) * width
        layer = attention + 2 * width * ffn + ffn + width + (4 + self.layer_scales) * width
        return patches + positions + self.class_tokens * width + self.layers * layer + 2 * self.outer_norms * width

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """By the tiles that so many visual tokens come from."""
        tokens = self.patches + self.class_tokens
        patches = 2.0 * self.patches * self.channels * self.patch_size**2 * self.width
        attention = 8.0 * tokens * self.width**2 + 4.0 * tokens**2 * self.width
        ffn = 4.0 * tokens * self.width * self.ffn_width
        return visual_tokens / self.tile_tokens * (patches + self.layers * (attention + ffn))

    def observed_flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        tokens = self.patches + self.class_tokens
        queries = self.class_tokens or tokens
        return 2.0 * visual_tokens / self.tile_tokens * queries * tokens * self.width

    def picture_tokens(self, height: int, width: int, min_pixels: int, max_pixels: int) -> int:
        return self.tiles(height, width) * self.tile_tokens

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        """Each frame is a tile."""
        return frames * self.tile_tokens

    def with_fewer_patches(self, share: float) -> Self:
        return replace(self, patches=round(self.patches * share), tile_tokens=round(self.tile_tokens * share))


@dataclass(frozen=True)
class CanvasVisionShape(TiledVisionShape):
    """Tiles as in InternVL: the grid of at most ``most_tiles`` whose proportions are nearest, and an overview where it
    has more than one.
    """

    most_tiles: int = 12

    def tiles(self, height: int, width: int) -> int:
        count = area(nearest_grid(height, width, self.side, 1, self.most_tiles))
        return count + (count > 1)


@dataclass(frozen=True)
class SplitVisionShape(TiledVisionShape):
    """Tiles as in Idefics3 and SmolVLM: the picture is scaled until its longer side has ``longest`` tiles, and cut; an
    overview comes after them.
    """

    longest: int = 4

    def tiles(self, height: int, width: int) -> int:
        shorter = -(-min(height, width) * self.longest // max(height, width))
        return self.longest * max(1, shorter) + 1


@dataclass(frozen=True)
class OneTileVisionShape(TiledVisionShape):
    """A picture of any size is one tile."""

    any_size = False

    def tiles(self, height: int, width: int) -> int:
        return 1


def area(grid: tuple[int, int]) -> int:
    return grid[0] * grid[1]


def nearest_grid(height: int, width: int, side: int, least: int, most: int) -> tuple[int, int]:
    """Rows and columns of tiles of ``side`` pixels, from ``least`` to ``most`` in all, whose proportions are nearest to
    a picture's; of grids that are as near, the largest that the picture would fill by half.
    """
    best, nearest = (1, 1), float("inf")
    grids = [(rows, columns) for rows in range(1, most + 1) for columns in range(1, most // rows + 1)]
    for grid in sorted((grid for grid in grids if area(grid) >= least), key=area):
        off = abs(width / height - grid[1] / grid[0])
        larger = off == nearest and height * width > 0.5 * side**2 * area(grid)
        if off < nearest or larger:
            best, nearest = grid, off
    return best


@dataclass(frozen=True)
class NormedProjectorShape(ProjectorShape):
    """Two linear layers behind a LayerNorm."""

    def parameters(self, width: int) -> int:
        return super().parameters(width) + 2 * self.input_width


@dataclass(frozen=True)
class LinearProjectorShape(ProjectorShape):
    """One linear layer, input_width -> decoder width."""

    def parameters(self, width: int) -> int:
        return self.input_width * width + (width if self.bias else 0)

    def flops(self, width: int, tokens: int) -> float:
        return 2.0 * tokens * self.input_width * width
