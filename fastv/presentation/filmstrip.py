"""The frames of a clip side by side, as HTML that stands alone: as they came, or with what FastV dropped darkened."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO

from PIL import Image

from fastv.formatting import percent
from fastv.inputs.frame_view import Seen
from fastv.inputs.video import Clip
from fastv.presentation.overlay import dimmed

_SHOWN_SIDE = 168  # pixels that a frame's shorter side has at least
_LARGEST = 336  # pixels that a frame's longer side has at most when it is only shown
_EVEN = 1.1  # times the mean: frames that hold no more than this stand out from nothing


def clip_strip(clip: Clip) -> str:
    """The frames that a model will be given."""
    return _strip(
        (_smaller(frame), f"Frame {number}, at {_second(second)} s", f"{_second(second)} s")
        for number, (frame, second) in enumerate(zip(clip.frames, clip.seconds), 1)
    )


def seen_strip(seen: Sequence[Seen]) -> str:
    """The frames as the model saw them."""
    return _strip(
        (_smaller(one.picture), f"{_name(number, one)}, as the model saw it", f"{when(one)} s")
        for number, one in enumerate(seen, 1)
    )


def kept_strip(seen: Sequence[Seen]) -> str:
    """The same with what was dropped darkened, and how many visual tokens of each are kept."""
    return _strip(
        (
            dimmed(one.picture, one.kept, _SHOWN_SIDE),
            f"{_name(number, one)}: {one.kept_tokens} of {one.tokens} visual tokens kept",
            f"{when(one)} s: <b>{one.kept_tokens}</b> kept",
        )
        for number, one in enumerate(seen, 1)
    )


def where_most(seen: Sequence[Seen]) -> str:
    """A sentence on which frames hold most of what is kept: at most two, or that none stands out."""
    kept = sum(one.kept_tokens for one in seen)
    if len(seen) < 2 or not kept:
        return ""
    most = sorted(range(len(seen)), key=lambda index: -seen[index].kept_tokens)[: min(2, len(seen) - 1)]
    most = sorted(index for index in most if seen[index].kept_tokens * len(seen) > _EVEN * kept)
    if not most:
        return "They are spread about evenly over the frames."
    share = percent(round(sum(seen[index].kept_tokens for index in most) / kept, 2))
    one, *other = (str(index + 1) for index in most)
    return f"Frames {one} and {other[0]} hold the most, {share}." if other else f"Frame {one} holds the most, {share}."


def when(one: Seen) -> str:
    """The seconds of a frame, or of those that the model takes as one."""
    return " and ".join(map(_second, one.seconds))


def _name(number: int, one: Seen) -> str:
    return f"Frame {number}, at {when(one)} s"


def _second(second: float) -> str:
    return f"{second:.2f}"


def _smaller(picture: Image.Image) -> Image.Image:
    shown = picture.copy()
    shown.thumbnail((_LARGEST, _LARGEST))
    return shown


def _strip(frames: Iterable[tuple[Image.Image, str, str]]) -> str:
    """frames: each picture, what it shows for those who do not see it, and a caption in HTML."""
    figures = "".join(
        f'<li><figure><img src="{_inline(picture)}" alt="{escape(alt)}"><figcaption>{caption}'
        "</figcaption></figure></li>"
        for picture, alt, caption in frames
    )
    return f'<ol class="strip">{figures}</ol>'


def _inline(picture: Image.Image) -> str:
    """As JPEG: frames of a video have gone through the like already, and there are many."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
