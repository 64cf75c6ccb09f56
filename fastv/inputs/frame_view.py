"""A picture, or the frames of a clip, as a model sees them, with the visual tokens that were kept of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PIL import Image

Grid = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class FrameView:
    """A picture, or a frame of a clip, as the vision tower gets it: scaled and cropped.

    Attributes
    ----------
    kept : tuple of tuple of bool
        Rows x columns of the patch grid, True where the visual token was kept; one row where the tokens form no known
        grid.
    picture : PIL.Image.Image
    lead : tuple of bool
        The same for tokens without a place in the grid, such as a frame's class token.
    seconds : tuple of float
        When the frame is shown, or the frames that the model takes together; empty for a picture.
    """

    kept: Grid
    picture: Image.Image = field(repr=False, compare=False)
    lead: tuple[bool, ...] = ()
    seconds: tuple[float, ...] = ()

    @property
    def tokens(self) -> int:
        return sum(map(len, self.kept)) + len(self.lead)

    @property
    def kept_tokens(self) -> int:
        return sum(map(sum, self.kept)) + sum(self.lead)

    @property
    def counts(self) -> dict[str, Any]:
        """Seconds and counts, in JSON's types."""
        return {"seconds": list(self.seconds), "tokens": self.tokens, "kept_tokens": self.kept_tokens}
