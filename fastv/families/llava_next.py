"""LLaVA-NeXT and LLaVA-OneVision (AnyRes): a picture is an overview and a finer grid of tiles, without their padding.

Each row of the finer grid ends with a newline, which counts as a visual token and shows no part of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.errors import UnsupportedModelError
from fastv.families.base import Family, Processor
from fastv.families.frames import Frame
from fastv.families.llava import Llava, vicuna_prompt
from fastv.families.reduced_pictures import Sizes
from fastv.families.shapes import ModelShape
from fastv.families.tiles import patch_side, picture_side
from fastv.families.tower_layers import TowerLayer
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_NEWLINE = VisualGroup(1, 1, 0, row_end=1)


class LlavaNext(Llava):
    name = "LLaVA-NeXT"
    model_types = ("llava_next",)
    unquantized = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    entries = ()

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        if inputs.get("image_sizes") is None or inputs.get("pixel_values_videos") is not None:
            return None
        groups: list[VisualGroup] = []
        for overview, finer in self._pictures(model.config, inputs):
            groups += [overview, finer]
        return groups

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        return Family.tower_layer(self, model)

    def reduced_pictures(self, model: nn.Module, sizes: Sizes) -> AbstractContextManager[None]:
        return Family.reduced_pictures(self, model, sizes)

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Pictures are (pictures, tiles, 3, height, width), the first of each its overview; tiles beyond are zero."""
        if "image_sizes" not in inputs:
            return []
        frames: list[Frame] = []
        for number, (overview, finer) in enumerate(self._pictures(config, inputs)):
            tiles = inputs["pixel_values"][number]
            frames.append(Frame(tiles[0], (overview.rows, overview.columns)))
            if finer is _NEWLINE:
                frames.append(Frame(tiles[0], (1, 0), row_end=1))
                continue
            size = inputs["image_sizes"][number].tolist()
            rows, columns = _tile_grid(config, size)
            joined = tiles[1 : 1 + rows * columns].unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)
            joined = joined.flatten(3, 4).flatten(1, 2)
            top, left = _margins(size, joined.shape[1:])
            shown = joined[:, top : joined.shape[1] - top, left : joined.shape[2] - left]
            frames.append(Frame(shown, (finer.rows, finer.columns), row_end=1))
        return frames

    def _pictures(self, config: Any, inputs: Mapping[str, Any]) -> Iterator[tuple[VisualGroup, VisualGroup]]:
        """Overview and finer grid of each picture."""
        side = picture_side(config.vision_config) // patch_side(config.vision_config)
        for size in inputs["image_sizes"].tolist():
            rows, columns = (side * tiles for tiles in _tile_grid(config, size))
            top, left = _margins(size, (rows, columns))
            yield VisualGroup(1, side, side), self._finer(config, side, rows - 2 * top, columns - 2 * left)

    def _finer(self, config: Any, side: int, rows: int, columns: int) -> VisualGroup:
        return VisualGroup(1, rows, columns, row_end=1)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        raise UnsupportedModelError(f"The cost of {self.name} depends on each picture's tiles and is not known.")


class LlavaOnevision(LlavaNext):
    """Fewer rows and columns where a picture has many; pictures of a prompt with several are overviews alone."""

    name = "LLaVA-OneVision"
    model_types = ("llava_onevision",)

    def visual_token_ids(self, config: Any) -> tuple[int, ...]:
        return (config.image_token_id, config.video_token_id)

    def prompt(self, processor: Processor, question: str, kind: str = "image", count: int = 1) -> str:
        return vicuna_prompt(self, processor, question, kind, count)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import LlavaOnevisionProcessor

        from fastv.families.processors import read_with_videos
        from fastv.families.videos import FrameVideoProcessor

        return read_with_videos(source, LlavaOnevisionProcessor, FrameVideoProcessor)

    def _pictures(self, config: Any, inputs: Mapping[str, Any]) -> Iterator[tuple[VisualGroup, VisualGroup]]:
        together = inputs.get("batch_num_images")
        sizes = inputs["image_sizes"]
        counts = [1] * len(sizes) if together is None else together.tolist()
        alone = [count == 1 for count in counts for _ in range(count)]
        for single, (overview, finer) in zip(alone, super()._pictures(config, inputs), strict=True):
            yield overview, finer if single else _NEWLINE

    def _finer(self, config: Any, side: int, rows: int, columns: int) -> VisualGroup:
        ratio = sqrt(rows * columns / (int(config.vision_aspect_ratio.removeprefix("anyres_max_")) * side**2))
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
        return VisualGroup(1, rows, columns, row_end=1)


def _tile_grid(config: Any, size: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of tiles for a picture of (height, width)."""
    from transformers.image_processing_utils import select_best_resolution

    height, width = select_best_resolution(tuple(size), config.image_grid_pinpoints)
    side = picture_side(config.vision_config)
    return height // side, width // side


def _margins(size: Sequence[int], filled: Sequence[int]) -> tuple[int, int]:
    """Padding above (as below) and left (as right) of a picture of (height, width) in a grid of (rows, columns)."""
    height, width = size
    rows, columns = filled
    if width / height > columns / rows:
        return (rows - int(round(height * (columns / width), 7))) // 2, 0
    return 0, (columns - int(round(width * (rows / height), 7))) // 2
