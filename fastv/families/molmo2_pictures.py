"""Molmo2's pictures and videos, prepared without torchvision, which transformers needs for them and which must fit the
build of torch: an overview, and tiles that overlap; of a video each frame is an overview.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD, PILImageResampling
from transformers.processing_utils import ImagesKwargs

from fastv.families.molmo2_shapes import FRAME_POOL, TileLimits
from fastv.families.videos import FrameVideoProcessor


class _Settings(ImagesKwargs, total=False):
    """What a checkpoint's image processor may be told beside what all are."""

    max_crops: int
    overlap_margins: list[int]
    patch_size: int
    pooling_size: list[int]


class Molmo2Pictures(PilBackend):
    """Says of each visual token which patches it is made of, ``image_token_pooling``: what two tiles share counts for
    one of them.
    """

    valid_kwargs = _Settings
    model_input_names = ["pixel_values", "image_token_pooling", "image_grids", "image_num_crops"]
    resample = PILImageResampling.BILINEAR
    image_mean = IMAGENET_STANDARD_MEAN
    image_std = IMAGENET_STANDARD_STD
    size = {"height": 378, "width": 378}
    do_resize = True
    do_rescale = True
    do_normalize = True
    do_convert_rgb = True
    max_crops = 8
    overlap_margins = [4, 4]
    patch_size = 14
    pooling_size = [2, 2]

    def _preprocess(self, images: list[np.ndarray], **settings: Any) -> BatchFeature:  # type: ignore[override]
        """Makes ``pixel_values``, float (tiles, patches, numbers in a patch), the overview first of each picture;
        ``image_token_pooling``, (visual tokens, patches of one), numbers of patches of all tiles, -1 for none;
        ``image_grids``, rows and columns of visual tokens of overview and tiles; and ``image_num_crops``, the tiles of
        each picture, its overview included.

        Parameters
        ----------
        images
            Each (3, height, width) of 0 to 255.
        settings
            The attributes above as they are for this call.
        """
        limits = TileLimits(
            side=settings["size"].height // settings["patch_size"],
            patch=settings["patch_size"],
            margins=tuple(settings["overlap_margins"]),
            pool=tuple(settings["pooling_size"]),
            most=settings["max_crops"],
        )
        tiles: list[Tensor] = []
        pooling: list[Tensor] = []
        grids, counts, before = [], [], 0
        for image in images:
            grid = limits.grid(*image.shape[-2:])
            own = self._tiles(torch.from_numpy(np.ascontiguousarray(image)), limits, grid, settings)
            overview = _pooled(torch.arange(limits.side**2).view(limits.side, limits.side), limits)
            finer = _pooled(_patches_of(limits, grid) + limits.side**2, limits)
            together = torch.cat([overview, finer])
            pooling.append(torch.where(together >= 0, together + before, together))
            tiles.append(own)
            grids.append((*limits.pooled((limits.side,) * 2), *limits.pooled(limits.canvas(grid))))
            counts.append(len(own))
            before += len(own) * limits.side**2
        made = {
            "pixel_values": torch.cat(tiles),
            "image_token_pooling": torch.cat(pooling).int(),
            "image_grids": torch.tensor(grids),
            "image_num_crops": torch.tensor(counts),
        }
        return BatchFeature(made, tensor_type=settings.get("return_tensors"))

    def _tiles(self, image: Tensor, limits: TileLimits, grid: tuple[int, int], settings: dict[str, Any]) -> Tensor:
        """The overview and the tiles of a picture (3, height, width), as patches (tiles, patches, numbers in one)."""
        side, patch, window = limits.side * limits.patch, limits.patch, limits.window * limits.patch
        rows, columns = limits.canvas(grid)
        canvas = self._scaled(image, (rows * patch, columns * patch), settings)
        cut = canvas.unfold(1, side, window).unfold(2, side, window).permute(1, 2, 0, 3, 4).flatten(0, 1)
        together = torch.cat([self._scaled(image, (side, side), settings)[None], cut])
        return _as_patches(together, patch)

    def frame_patches(self, frames: list[np.ndarray], pool: tuple[int, int]) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """What a video's frames become, each scaled to one tile.

        Parameters
        ----------
        frames
            Each (height, width, 3) of 0 to 255.
        pool
            Rows and columns of patches that become a visual token.

        Returns
        -------
        tuple
            Patches, float (frames, patches, numbers in one); which of them each visual token is made of, long (tokens,
            patches of one), -1 for none; rows and columns of a frame's visual tokens.
        """
        side = self.size["height"] if isinstance(self.size, dict) else self.size.height
        names = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
        settings = {name: getattr(self, name) for name in names}
        tiles = [self._scaled(torch.from_numpy(frame).permute(2, 0, 1), (side, side), settings) for frame in frames]
        limits = TileLimits(side=side // self.patch_size, patch=self.patch_size, pool=pool)
        one = _pooled(torch.arange(limits.side**2).view(limits.side, limits.side), limits)
        starts = torch.arange(len(frames))[:, None, None] * limits.side**2
        pooling = torch.where(one >= 0, one + starts, one).flatten(0, 1)
        return _as_patches(torch.stack(tiles), limits.patch), pooling, limits.pooled((limits.side,) * 2)

    def _scaled(self, image: Tensor, size: tuple[int, int], settings: dict[str, Any]) -> Tensor:
        """Brought to a height and width, bilinear without a filter, to whole numbers where it had them; normalized."""
        resized = interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False, antialias=False)[0]
        if not image.dtype.is_floating_point:
            resized = resized.round().clamp(0, 255)
        array = resized.numpy()
        if settings["do_rescale"]:
            array = self.rescale(array, settings["rescale_factor"])
        if settings["do_normalize"]:
            array = self.normalize(array, settings["image_mean"], settings["image_std"])
        return torch.from_numpy(array).float()


def _as_patches(tiles: Tensor, patch: int) -> Tensor:
    """Tiles (tiles, 3, height, width) as patches (tiles, patches, numbers in one), a pixel's channels together."""
    squares = tiles.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))
    return squares.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def _patches_of(limits: TileLimits, grid: tuple[int, int]) -> Tensor:
    """Which patch of which tile each patch of the whole picture is, long (rows, columns) of the canvas."""
    ways = []
    for tiles, length in zip(grid, limits.canvas(grid)):
        places = torch.arange(length)
        tile = ((places - limits.margins[0]) // limits.window).clamp(0, tiles - 1)
        ways.append((tile, places - tile * limits.window))
    (row, down), (column, across) = ways
    tile = row[:, None] * grid[1] + column[None]
    return (tile * limits.side + down[:, None]) * limits.side + across[None]


def _pooled(patches: Tensor, limits: TileLimits) -> Tensor:
    """The patches of each visual token, long (tokens, patches of one), -1 beyond the picture's edge."""
    rows, columns = limits.pooled((patches.shape[0], patches.shape[1]))
    high, wide = limits.pool
    whole = torch.full((rows * high, columns * wide), -1)
    top, left = (whole.shape[0] - patches.shape[0]) // 2, (whole.shape[1] - patches.shape[1]) // 2
    whole[top : top + patches.shape[0], left : left + patches.shape[1]] = patches
    return whole.view(rows, high, columns, wide).transpose(1, 2).reshape(rows * columns, high * wide)


class Molmo2Videos(FrameVideoProcessor):
    """Makes ``pixel_values_videos``, float (frames of all videos, patches, numbers in one); ``video_token_pooling``,
    long (visual tokens, patches of one); and ``video_grids``, frames, rows and columns of each video's visual tokens.

    Parameters
    ----------
    pictures
        What prepares pictures.
    pool
        Rows and columns of patches that become a visual token of a frame.
    """

    max_fps = 2.0  # of a video that does not tell how fast it is

    def __init__(self, pictures: Molmo2Pictures, pool: tuple[int, int] = FRAME_POOL) -> None:
        super().__init__(pictures)
        self.pool = pool

    def _prepared(self, videos: list[list], size: dict[str, int] | None) -> dict[str, Tensor]:
        patches, pooling, grids, before = [], [], [], 0
        for video in videos:
            own, places, grid = self.pictures.frame_patches([np.array(frame) for frame in video], self.pool)
            patches.append(own)
            pooling.append(torch.where(places >= 0, places + before, places))
            grids.append((len(video), *grid))
            before += own.shape[0] * own.shape[1]
        return {
            "pixel_values_videos": torch.cat(patches),
            "video_token_pooling": torch.cat(pooling),
            "video_grids": torch.tensor(grids),
        }
