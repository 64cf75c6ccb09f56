"""The picture as the model sees it: dropped patches dark, and how many are left, as HTML for the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import groupby
from typing import Any

from markupsafe import Markup
from PIL import Image

from fastv.inputs.frame_view import FrameView, Grid
from fastv.measurement.results import RunResult
from fastv.presentation import overlay
from fastv.presentation.html import render
from fastv.presentation.kept_html import kept, reason_of, who_sees
from fastv.presentation.side_labels import SideLabel

_MOST_PIXELS = 672  # of the longer side
_MOST_TILE_PIXELS = 336  # of a tile, where there are several


def seen(result: RunResult, label: SideLabel, stamp: str = "") -> Markup:
    """What a side saw; of a clip the frames.

    Parameters
    ----------
    result : RunResult
    label : SideLabel
        Of that side.
    stamp : str
        Tells this figure from an equal one of another run.
    """
    return kept(result, label) if result.is_clip else seen_views(result.seen, label, stamp=stamp)


def seen_views(views: Sequence[FrameView], label: SideLabel | None = None, *, stamp: str = "") -> Markup:
    """All that the vision tower got of a picture: it itself, or its tiles and overview, each below its mask.

    Parameters
    ----------
    views : sequence of FrameView
        In the order of the prompt.
    label, stamp
        As in ``seen_picture``.
    """
    count, total = (sum(getattr(view, name) for view in views) for name in ("kept_tokens", "tokens"))
    most_pixels = _MOST_PIXELS if len(views) == 1 else _MOST_TILE_PIXELS
    shown = [_shown(view.picture, view.kept, most_pixels) for view in views]
    return _figure(shown, overlay.description_of(views), count, total, label, stamp)


def seen_picture(picture: Image.Image, grid: Grid = (), label: SideLabel | None = None, *, stamp: str = "") -> Markup:
    """A picture below its mask.

    Parameters
    ----------
    picture : PIL.Image.Image
        As the vision tower gets it, or as it was chosen where no model has seen it yet.
    grid : rows x columns of bool
        True where the patch is kept; empty where no model has seen it.
    label : SideLabel, optional
        Of the side that saw it.
    stamp : str
        As in ``seen``.
    """
    count, total = overlay.count(grid)
    alt = overlay.description(grid) if total else "The image that is asked about"
    return _figure([_shown(picture, grid, _MOST_PIXELS)], alt, count, total, label, stamp)


def _figure(
    shown: list[dict[str, Any]], alt: str, count: int, total: int, label: SideLabel | None, stamp: str
) -> Markup:
    config = label.config if label else None
    return render(
        "presentation/seen",
        frames=shown,
        across=overlay.across(len(shown)),
        alt=alt,
        color=label.color if label else "",
        count=count,
        total=total,
        k=config.k if config else 0,
        hint=_hint(reason_of(config, count, total), who_sees(config, count, total)),
        stamp=stamp,
    )


def _shown(picture: Image.Image, grid: Grid, most_pixels: int) -> dict[str, Any]:
    shown = picture.convert("RGB")
    shown.thumbnail((most_pixels, most_pixels))
    return {
        "source": webp_uri(shown),
        "width": shown.width,
        "height": shown.height,
        "rows": len(grid),
        "columns": len(grid[0]) if grid else 0,
        "mask": mask_path(grid),
    }


def _hint(reason: str, seen_by: str) -> str:
    return " ".join(filter(None, (f"{reason.capitalize()}." if reason else "", seen_by)))


def seen_placeholder() -> Markup:
    """Before there is a picture, or where neither side is pruned; as large as a picture."""
    return render("presentation/seen_placeholder")


def mask_path(grid: Grid) -> str:
    """An SVG path over the patches that are not kept, in units of a patch: one box for each run of them in a row."""
    return "".join(_boxes(grid)) if len(grid) > 1 else ""


def _boxes(grid: Grid) -> Iterator[str]:
    for y, row in enumerate(grid):
        for is_kept, run in groupby(enumerate(row), key=lambda at: bool(at[1])):
            columns = [x for x, _ in run]
            if not is_kept:
                yield f"M{columns[0]} {y}h{len(columns)}v1h-{len(columns)}z"


def webp_uri(picture: Image.Image) -> str:
    """A picture as a small data URI."""
    file = BytesIO()
    picture.save(file, "WEBP", quality=88, method=4)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"
