"""Where visual tokens lie: each picture, or frame of a video, as the vision tower gets it, and the grid over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """A picture, or a moment of a video.

    Parameters
    ----------
    pixels
        Floating (3, height, width), scaled, cropped and normalized.
    grid
        Rows and columns of its visual tokens, which stand in the prompt row by row.
    lead
        How many visual tokens stand before those and belong to no place.
    row_end
        How many stand after those of each row and belong to no place.
    """

    pixels: Tensor
    grid: tuple[int, int]
    lead: int = 0
    row_end: int = 0

    @property
    def tokens(self) -> int:
        return self.lead + self.grid[0] * (self.grid[1] + self.row_end)
