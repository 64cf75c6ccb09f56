"""Families that read a picture as one or several tiles of one size, each a square of visual tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family
from fastv.families.frames import Frame
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


class TiledFamily(Family):
    """Its tiles stand in the prompt one after the other, perhaps with text between."""

    splits_pictures = True

    @abstractmethod
    def tile_side(self, config: Any) -> int:
        """Rows, and columns, of a tile's visual tokens."""

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        tile = VisualGroup(1, *(self.tile_side(model.config),) * 2)
        return [tile] * (sum(counts) // tile.tokens)

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Tiles are (..., 3, height, width); those that only fill a batch up are zero."""
        side, pixels = self.tile_side(config), inputs.get("pixel_values")
        tiles = () if pixels is None else pixels.flatten(0, -4) if pixels.dim() > 4 else pixels
        return [Frame(tile, (side, side)) for tile in tiles if tile.any()]


def picture_side(config: Any) -> int:
    """Pixels of a side of a tower's square pictures, whose config may say it once or twice."""
    size = config.image_size
    return size if isinstance(size, int) else size[0]


def patch_side(config: Any) -> int:
    """The same for a patch."""
    size = config.patch_size
    return size if isinstance(size, int) else size[0]
