"""Perception LM's pictures and videos, prepared without torchvision, which transformers needs for them and which must
fit the build of torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, BatchFeature, PerceptionLMProcessor
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD, PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs

from fastv.families.perception_shapes import MOST_TILES, tile_grid
from fastv.families.processors import taking_frame_videos
from fastv.families.videos import FrameVideoProcessor


class _Settings(ImagesKwargs, total=False):
    """What a checkpoint's image processor may be told beside what all are."""

    vision_input_type: str | None
    tile_size: int
    max_num_tiles: int


class PerceptionLMPictures(PilBackend):
    """Makes of each picture an overview, then tiles row by row; of another ``vision_input_type`` the overview alone."""

    valid_kwargs = _Settings
    resample = PILImageResampling.BICUBIC
    image_mean = IMAGENET_STANDARD_MEAN
    image_std = IMAGENET_STANDARD_STD
    size = {"height": 448, "width": 448}
    do_resize = True
    do_rescale = True
    do_normalize = True
    do_convert_rgb = True
    vision_input_type = "thumb+tile"
    tile_size = 448
    max_num_tiles = MOST_TILES

    def _preprocess(self, images: list[np.ndarray], **settings: Any) -> BatchFeature:  # type: ignore[override]
        """Makes ``pixel_values``, float32 (tiles, 3, height, width) of each picture, in a list.

        Parameters
        ----------
        images
            Each (3, height, width) of 0 to 255.
        settings
            The attributes above as they are for this call.
        """
        return BatchFeature({"pixel_values": [self._tiles(image, settings) for image in images]})

    def _tiles(self, image: np.ndarray, settings: dict[str, Any]) -> torch.Tensor:
        side = settings["tile_size"]
        tiles = [self._scaled(image, (side, side), settings)[None]]
        if settings["vision_input_type"] == "thumb+tile":
            rows, columns = tile_grid(image.shape[-2], image.shape[-1], side, settings["max_num_tiles"])
            whole = self._scaled(image, (rows * side, columns * side), settings)
            cut = whole.reshape(-1, rows, side, columns, side).transpose(1, 3, 0, 2, 4)
            tiles.append(cut.reshape(rows * columns, -1, side, side))
        return torch.from_numpy(np.concatenate(tiles))

    def _scaled(self, image: np.ndarray, size: tuple[int, int], settings: dict[str, Any]) -> np.ndarray:
        """Brought to a height and width, and normalized."""
        if settings["do_resize"]:
            image = self.resize(image, SizeDict(height=size[0], width=size[1]), resample=settings["resample"])
        if settings["do_rescale"]:
            image = self.rescale(image, settings["rescale_factor"])
        if settings["do_normalize"]:
            image = self.normalize(image, settings["image_mean"], settings["image_std"])
        return image.astype(np.float32)


class OneTileVideos(FrameVideoProcessor):
    """Every frame is an overview."""

    def _frames(self, frames: list, size: dict[str, int] | None) -> tuple[torch.Tensor, Any]:
        arrays = [np.asarray(frame) for frame in frames]
        made = self.pictures(images=arrays, input_data_format="channels_last", vision_input_type="vanilla")
        return torch.cat(made["pixel_values"]), None


class _PictureListProcessor(PerceptionLMProcessor):
    """Puts the pictures of a call together, also where they have different numbers of tiles, which the model reads all
    in a row: (pictures, tiles, 3, height, width), or with those (1, all tiles, 3, height, width).
    """

    def _process_images(self, images: Any, **options: Any) -> tuple[Any, list[str]]:
        made, texts = super()._process_images(images, **options)
        pictures = made["pixel_values"]
        alike = len({len(tiles) for tiles in pictures}) == 1
        made["pixel_values"] = torch.stack(pictures) if alike else torch.cat(pictures)[None]
        return made, texts


def perception_processor(pictures: PerceptionLMPictures, tokenizer: Any, settings: dict[str, Any]) -> Any:
    """The processor from its parts.

    Parameters
    ----------
    settings
        What processor_config.json holds.
    """
    kind = taking_frame_videos(_PictureListProcessor)
    parts = {"image_processor": pictures, "video_processor": OneTileVideos(pictures), "tokenizer": tokenizer}
    return kind.from_args_and_dict([parts[name] for name in kind.get_attributes()], settings)


def read_perception_processor(source: str | Path) -> Any:
    """That of a checkpoint, a folder or a hub id."""
    settings, _ = PerceptionLMProcessor.get_processor_dict(source)
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    return perception_processor(PerceptionLMPictures.from_pretrained(source), tokenizer, settings)
