"""LFM2-VL's pictures, prepared with Pillow: transformers has them with torchvision alone, which must fit the build of
torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from transformers import BatchFeature, Siglip2ImageProcessorPil
from transformers.image_utils import SizeDict
from transformers.processing_utils import ImagesKwargs

from fastv.families.naflex_shapes import PictureLimits, picture_limits


class _Settings(ImagesKwargs, total=False):
    """What a checkpoint's image processor may be told beside what all are."""

    downsample_factor: int
    do_image_splitting: bool
    min_tiles: int
    max_tiles: int
    use_thumbnail: bool
    min_image_tokens: int
    max_image_tokens: int
    encoder_patch_size: int
    tile_size: int
    max_pixels_tolerance: float
    return_row_col_info: bool


class Lfm2VlPictures(Siglip2ImageProcessorPil):
    """Makes of each picture one piece, or tiles and an overview, all filled up to one number of patches."""

    valid_kwargs = _Settings  # type: ignore[assignment]
    downsample_factor = 2
    do_image_splitting = True
    min_tiles = 2
    max_tiles = 10
    use_thumbnail = True
    min_image_tokens = 64
    max_image_tokens = 256
    encoder_patch_size = 16
    tile_size = 512
    max_pixels_tolerance = 2.0
    do_resize = True
    return_row_col_info = False

    def _preprocess(self, images: list[np.ndarray], **settings: Any) -> BatchFeature:  # type: ignore[override]
        """Makes ``pixel_values``, float (pieces, patches, numbers in a patch), ``pixel_attention_mask``, (pieces,
        patches), and ``spatial_shapes``, the rows and columns of patches of each piece.

        Parameters
        ----------
        images
            Each (3, height, width) of 0 to 255.
        settings
            The attributes above as they are for this call.
        """
        limits = picture_limits(settings)
        sizes = [image.shape[-2:] for image in images]
        pieces = [piece for image in images for piece in self._pieces(image, limits, settings.get("resample"))]
        shapes = [(piece.shape[-2] // limits.patch, piece.shape[-1] // limits.patch) for piece in pieces]
        most = max(limits.slots, *(high * wide for high, wide in shapes))  # of a very long picture there are more
        patches = np.zeros((len(pieces), most, 3 * limits.patch**2), dtype=np.float32)
        mask = np.zeros(patches.shape[:2], dtype=np.int32)
        for number, (piece, (high, wide)) in enumerate(zip(pieces, shapes)):
            if settings["do_rescale"]:
                piece = self.rescale(piece, settings["rescale_factor"])
            if settings["do_normalize"]:
                piece = self.normalize(piece, settings["image_mean"], settings["image_std"])
            squares = piece.reshape(3, high, limits.patch, wide, limits.patch).transpose(1, 3, 2, 4, 0)
            patches[number, : high * wide] = squares.reshape(high * wide, -1)
            mask[number, : high * wide] = 1
        made: dict[str, Any] = {"pixel_values": patches, "pixel_attention_mask": mask, "spatial_shapes": shapes}
        if settings.get("return_row_col_info"):
            grids = [limits.grid(*size) for size in sizes]
            wholes = [limits.whole(*size) for size in sizes]
            made["image_rows"], made["image_cols"] = ([grid[axis] for grid in grids] for axis in (0, 1))
            made["image_sizes"] = [[limits.unit * rows, limits.unit * columns] for rows, columns in wholes]
        return BatchFeature(made, tensor_type=settings.get("return_tensors"))

    def _pieces(self, image: np.ndarray, limits: PictureLimits, resample: Any) -> list[np.ndarray]:
        """What is read of a picture, in the order of the prompt: tiles row by row, then the overview."""
        rows, columns = limits.grid(*image.shape[-2:])
        whole = [limits.unit * count for count in limits.whole(*image.shape[-2:])]
        if rows * columns == 1:
            return [self._scaled(image, whole, resample)]
        tile = limits.tile
        scaled = self._scaled(image, [rows * tile, columns * tile], resample)
        tiles = scaled.reshape(-1, rows, tile, columns, tile).transpose(1, 3, 0, 2, 4)
        overview = [self._scaled(image, whole, resample)] if limits.overview else []
        return [*tiles.reshape(rows * columns, -1, tile, tile), *overview]

    def _scaled(self, image: np.ndarray, size: list[int], resample: Any) -> np.ndarray:
        return self.resize(image, SizeDict(height=size[0], width=size[1]), resample=resample)
