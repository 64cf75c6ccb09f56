"""What a model got to see: a picture, or the frames of a clip, with what was kept of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PIL import Image

Grid = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class Seen:
    """A picture, or a moment of a clip, as the vision tower got it, scaled and cropped.

    kept: rows x columns of its patch grid, True where the visual token was kept; one row when the tokens form no known
    grid. lead: the same for the tokens that belong to no place, such as a frame's class token. seconds: when the frame
    is shown, or those that the model takes together; none for a picture.
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
        """In JSON's types."""
        return {"seconds": list(self.seconds), "tokens": self.tokens, "kept_tokens": self.kept_tokens}
