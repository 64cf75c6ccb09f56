"""The picture as the model saw it, or a frame of a clip, with the patches FastV dropped darkened."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastv.inputs.frame_view import Grid

SHOWN_SIDE = 336  # pixels the shorter side is enlarged to at least, so that small pictures do not blur in the browser
_SHADE = (24, 26, 32)
_STRENGTH = 0.78  # how much of a dropped patch is shade


def dimmed(seen: Image.Image, kept: Grid, shown_side: int = SHOWN_SIDE) -> Image.Image:
    """seen: the picture under the patch grid. kept: rows x columns, True where the patch stays clear -> RGB.

    shown_side: pixels that the shorter side has at least.
    """
    factor = -(-shown_side // min(seen.size))
    shown = seen.convert("RGB").resize((seen.width * factor, seen.height * factor), Image.Resampling.BICUBIC)
    if not _is_grid(kept):
        return shown
    clear = Image.fromarray(np.asarray(kept, np.uint8) * 255).resize(shown.size, Image.Resampling.NEAREST)
    grey = shown.convert("L").convert("RGB")
    return Image.composite(shown, Image.blend(grey, Image.new("RGB", shown.size, _SHADE), _STRENGTH), clear)


def count(kept: Grid) -> tuple[int, int]:
    """How many patches are kept, and how many there are."""
    return sum(map(sum, kept)), sum(map(len, kept))


def description(kept: Grid) -> str:
    """What the dimmed picture shows, for those who do not see it."""
    some, all_ = count(kept)
    words = f"The picture as the model saw it: {some} of its {all_} patches are kept"
    if not some or not _is_grid(kept):
        return words + "."
    thirds = np.array_split(np.asarray(kept, bool), 3)
    shares = ", ".join(
        f"{100 * third.sum() / some:.0f}% in the {name} third"
        for name, third in zip(("upper", "middle", "lower"), thirds)
    )
    return f"{words} and shown clear, the others darkened. Of those kept, {shares}."


def _is_grid(kept: Grid) -> bool:
    """One row alone means that the tokens form no grid that could be laid over the picture."""
    return len(kept) > 1
