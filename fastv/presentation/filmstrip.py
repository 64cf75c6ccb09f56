"""The frames of a clip side by side, as HTML: as they were taken, or with the patches FastV dropped darkened."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from markupsafe import Markup
from PIL import Image

from fastv.formatting import percent
from fastv.inputs.frame_view import FrameView
from fastv.inputs.video import Clip
from fastv.presentation.html import render
from fastv.presentation.overlay import dimmed

_DIMMED_SIDE = 168  # pixels: the least of a dimmed frame's shorter side
_PLAIN_SIDE = 336  # pixels: the most of a plain frame's longer side
_ABOVE_MEAN = 1.1  # a frame stands out when it holds more than this multiple of the mean


@dataclass(frozen=True)
class FrameFigure:
    """One figure of a strip: its picture as a data URI, alt text, time(s) in seconds and, with FastV, tokens kept."""

    source: str
    alt: str
    time: str
    kept: int | None = None


def clip_strip(clip: Clip) -> Markup:
    """The frames that a model will be given."""
    frames = [
        FrameFigure(_data_uri(_reduced(frame)), f"Frame {number}, at {_seconds(second)} s", _seconds(second))
        for number, (frame, second) in enumerate(zip(clip.frames, clip.seconds, strict=True), 1)
    ]
    return render("presentation/filmstrip", frames=frames)


def seen_strip(seen: Sequence[FrameView]) -> Markup:
    """The frames as the vision tower received them."""
    frames = [
        FrameFigure(_data_uri(_reduced(frame.picture)), f"{name}, as the model saw it", times_of(frame))
        for name, frame in _named(seen)
    ]
    return render("presentation/filmstrip", frames=frames)


def kept_strip(seen: Sequence[FrameView]) -> Markup:
    """The same frames with dropped patches darkened, and how many visual tokens of each were kept."""
    frames = [
        FrameFigure(
            _data_uri(dimmed(frame.picture, frame.kept, _DIMMED_SIDE)),
            f"{name}: {frame.kept_tokens} of {frame.tokens} visual tokens kept",
            times_of(frame),
            frame.kept_tokens,
        )
        for name, frame in _named(seen)
    ]
    return render("presentation/filmstrip", frames=frames)


def where_most(seen: Sequence[FrameView]) -> str:
    """A sentence on the one or two frames that hold most of the kept tokens, or that none stands out."""
    kept = sum(frame.kept_tokens for frame in seen)
    if len(seen) < 2 or not kept:
        return ""
    largest = sorted(range(len(seen)), key=lambda index: -seen[index].kept_tokens)[: min(2, len(seen) - 1)]
    largest = sorted(index for index in largest if seen[index].kept_tokens * len(seen) > _ABOVE_MEAN * kept)
    if not largest:
        return "They are spread about evenly over the frames."
    share = percent(round(sum(seen[index].kept_tokens for index in largest) / kept, 2))
    first, *second = (str(index + 1) for index in largest)
    if second:
        return f"Frames {first} and {second[0]} hold the most, {share}."
    return f"Frame {first} holds the most, {share}."


def times_of(frame: FrameView) -> str:
    """When a frame is shown, in seconds; several times where the model merges frames."""
    return " and ".join(map(_seconds, frame.seconds))


def _named(seen: Sequence[FrameView]) -> Iterator[tuple[str, FrameView]]:
    for number, frame in enumerate(seen, 1):
        yield f"Frame {number}, at {times_of(frame)} s", frame


def _seconds(second: float) -> str:
    return f"{second:.2f}"


def _reduced(picture: Image.Image) -> Image.Image:
    shown = picture.copy()
    shown.thumbnail((_PLAIN_SIDE, _PLAIN_SIDE))
    return shown


def _data_uri(picture: Image.Image) -> str:
    """As JPEG, since video frames have been through lossy compression before, and there are many."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
