"""The image as the model saw it, or a frame of a clip, with dropped patches darkened."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastv.inputs.frame_view import Grid

SHOWN_SIDE = 336  # pixels the shorter side is enlarged to at least, so that small pictures do not blur in the browser
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


def _is_grid(kept: Grid) -> bool:
    """A single row means that the tokens form no grid over the image."""
    return len(kept) > 1
