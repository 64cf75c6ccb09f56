"""Sizes of AnyRes: a picture is an overview and a finer grid of tiles, whose padding is taken off, and newlines.

How many visual tokens a picture becomes follows from its size. The way back, from visual tokens to the tiles that the
tower read, is that of the smallest such picture; ``flops.cost`` can be told what the tower makes instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

from fastv.errors import UnsupportedModelError
from fastv.families.shapes import ProjectorShape
from fastv.families.tiled_shapes import TiledVisionShape


@dataclass(frozen=True)
class AnyResVisionShape(TiledVisionShape):
    """Of LLaVA-NeXT and LLaVA-OneVision.

    grids: heights and widths in pixels that a picture may be scaled to.
    most_tiles: a finer grid of clearly more tokens than so many tiles have is shrunk to that; 0 for never.
    """

    grids: tuple[tuple[int, int], ...] = ()
    most_tiles: int = 0

    @property
    def tile_side(self) -> int:
        """Rows, and columns, of a tile's visual tokens."""
        return round(self.patches**0.5)

    def tiles(self, height: int, width: int) -> int:
        rows, columns = tile_grid((height, width), self.grids, self.side)
        return rows * columns + 1

    def picture_tokens(self, height: int, width: int, min_pixels: int, max_pixels: int) -> int:
        grid = tile_grid((height, width), self.grids, self.side)
        return self.tile_tokens + _with_newlines(finer_grid((height, width), grid, self.tile_side, self.most_tiles))

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        return 0  # videos are not prepared here

    def encoded_tokens(self, visual_tokens: int, pictures: int) -> int:
        """The tokens of all tiles, of pictures that are alike."""
        if not pictures:
            return visual_tokens
        known = _tiles_by_tokens(self)
        each = visual_tokens / pictures
        return pictures * self.tile_tokens * known[min(known, key=lambda tokens: (abs(tokens - each), tokens))]

    def with_fewer_patches(self, share: float) -> AnyResVisionShape:
        return self  # it reads whole tiles alone


@dataclass(frozen=True)
class NewlineProjectorShape(ProjectorShape):
    """The same two layers, and the vector that ends each row."""

    def parameters(self, width: int) -> int:
        return super().parameters(width) + width


def tile_grid(size: Sequence[int], grids: Sequence[tuple[int, int]], side: int) -> tuple[int, int]:
    """Rows and columns of tiles of ``side`` pixels for a picture of (height, width): those of the grid in which most of
    its pixels are left, of such the smallest.
    """
    height, width = size
    best, most, least = (side, side), 0, 0
    for high, wide in grids:
        scale = min(wide / width, high / height)
        left = min(int(width * scale) * int(height * scale), width * height)
        wasted = high * wide - left
        if left > most or (left == most and wasted < least):
            best, most, least = (high, wide), left, wasted
    return best[0] // side, best[1] // side


def margins(size: Sequence[int], filled: Sequence[int]) -> tuple[int, int]:
    """Padding above (as below) and left (as right) of a picture of (height, width) in a grid of (rows, columns)."""
    height, width = size
    rows, columns = filled
    if width / height > columns / rows:
        return (rows - int(round(height * (columns / width), 7))) // 2, 0
    return 0, (columns - int(round(width * (rows / height), 7))) // 2


def finer_grid(size: Sequence[int], grid: tuple[int, int], tile_side: int, most_tiles: int) -> tuple[int, int]:
    """Rows and columns of visual tokens, newlines apart, that the tiles of a picture of (height, width) become."""
    rows, columns = (tile_side * tiles for tiles in grid)
    top, left = margins(size, (rows, columns))
    rows, columns = rows - 2 * top, columns - 2 * left
    ratio = sqrt(rows * columns / (most_tiles * tile_side**2)) if most_tiles else 0.0
    return (int(rows // ratio), int(columns // ratio)) if ratio > 1.1 else (rows, columns)


def listed_grids(settings: Mapping[str, Any], default: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    """``image_grid_pinpoints`` of a config. Raises UnsupportedModelError."""
    listed = settings.get("image_grid_pinpoints") or default
    try:
        grids = tuple((int(height), int(width)) for height, width in listed)
    except (TypeError, ValueError) as error:
        raise UnsupportedModelError(
            "image_grid_pinpoints in the config must be pairs of heights and widths."
        ) from error
    if not 0 < len(grids) <= 100 or min(min(grid) for grid in grids) < 1:
        raise UnsupportedModelError("image_grid_pinpoints in the config must be some pairs of positive numbers.")
    return grids


def _with_newlines(grid: tuple[int, int]) -> int:
    rows, columns = grid
    return rows * (columns + 1)


@lru_cache(maxsize=16)
def _tiles_by_tokens(shape: AnyResVisionShape) -> Mapping[int, int]:
    """Visual tokens of a picture -> the tiles it was read as, over all proportions, and for an overview alone."""
    found = {shape.tile_tokens: 1, shape.tile_tokens + 1: 1}
    for size in _filling(shape):
        tokens = shape.picture_tokens(*size, 0, 0)
        found[tokens] = min(shape.tiles(*size), found.get(tokens, shape.tiles(*size)))
    return found


def _filling(shape: AnyResVisionShape) -> Iterator[tuple[int, int]]:
    """Heights and widths of pictures that fill a grid's rows or columns, whatever their proportions."""
    patch = shape.patch_size
    for height, width in shape.grids:
        yield from ((kept, width) for kept in range(patch, height + 1, patch))
        yield from ((height, kept) for kept in range(patch, width + 1, patch))
