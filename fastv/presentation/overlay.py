"""The image as the model saw it, or a frame of a clip, with dropped patches darkened."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np
from PIL import Image, ImageOps

from fastv.inputs.frame_view import FrameView, Grid

SHOWN_SIDE = 336  # pixels the shorter side is enlarged to at least, so that small pictures do not blur in the browser
_GAP = 8  # pixels between pictures side by side
_SHADE = (24, 26, 32)
_STRENGTH = 0.78  # how much of a dropped patch is shade


def dimmed(seen: Image.Image, kept: Grid, shown_side: int = SHOWN_SIDE) -> Image.Image:
    """Darken the patches that were dropped.

    Parameters
    ----------
    seen : PIL.Image.Image
        The image under the patch grid, after the processor's scaling and cropping.
    kept : rows x columns of bool
        True where the patch stays as it is.
    shown_side : int
        Pixels that the shorter side of the result has at least.

    Returns
    -------
    PIL.Image.Image
        RGB, enlarged by a whole factor.
    """
    factor = -(-shown_side // min(seen.size))
    shown = seen.convert("RGB").resize((seen.width * factor, seen.height * factor), Image.Resampling.BICUBIC)
    if not _is_grid(kept):
        return shown
    clear = Image.fromarray(np.asarray(kept, np.uint8) * 255).resize(shown.size, Image.Resampling.NEAREST)
    grey = shown.convert("L").convert("RGB")
    return Image.composite(shown, Image.blend(grey, Image.new("RGB", shown.size, _SHADE), _STRENGTH), clear)


def count(kept: Grid) -> tuple[int, int]:
    """(kept, all) patches."""
    return sum(map(sum, kept)), sum(map(len, kept))


def description(kept: Grid) -> str:
    """Alternative text of the darkened image."""
    some, all_ = count(kept)
    words = f"The image as the model saw it: {some} of its {all_} patches are kept"
    if not some or not _is_grid(kept):
        return words + "."
    thirds = np.array_split(np.asarray(kept, bool), 3)
    shares = ", ".join(
        f"{100 * third.sum() / some:.0f}% in the {name} third"
        for name, third in zip(("upper", "middle", "lower"), thirds)
    )
    return f"{words} and shown clear, the others darkened. Of those kept, {shares}."


def description_of(views: Sequence[FrameView]) -> str:
    """The same of a picture that the model saw as several, its tiles and overview."""
    if len(views) == 1:
        return description(views[0].kept)
    some, all_ = (sum(getattr(view, name) for view in views) for name in ("kept_tokens", "tokens"))
    return f"The {len(views)} parts that the model saw the image as: {some} of their {all_} tokens are kept."


def across(count: int) -> int:
    """How many of so many pictures stand side by side, so that there are about as many rows."""
    return ceil(sqrt(count))


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in rows, about as many as in each row; one alone as it is."""
    if len(pictures) == 1:
        return pictures[0]
    columns = across(len(pictures))
    wide, high = (max(picture.size[axis] for picture in pictures) + _GAP for axis in (0, 1))
    rows = ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * wide - _GAP, rows * high - _GAP), "white")
    for number, picture in enumerate(pictures):
        fitted = ImageOps.contain(picture.convert("RGB"), (wide - _GAP, high - _GAP))
        row, column = divmod(number, columns)
        sheet.paste(
            fitted, (column * wide + (wide - _GAP - fitted.width) // 2, row * high + (high - _GAP - fitted.height) // 2)
        )
    return sheet


def _is_grid(kept: Grid) -> bool:
    """A single row means that the tokens form no grid over the image."""
    return len(kept) > 1
