"""Videos from outside: checked, and a few evenly spaced frames taken from them. No torch.

Every refusal is an ``InvalidInputError`` of one sentence that says what to do instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from fastv.errors import InvalidInputError
from fastv.families.registry import FAMILIES
from fastv.inputs.image import MAX_ASPECT_RATIO, opaque, read_file
from fastv.validation import whole

try:
    import av
    from av.stream import Disposition
except ImportError:  # the extra "video": everything else works without
    av = None  # type: ignore[assignment]

FRAMES = 8  # what Video-LLaVA was made for
MAX_VIDEO_BYTES = 100_000_000
MAX_FRAME_PIXELS = 9_500_000  # of one frame as it lies in the file: somewhat more than 4K
MAX_VIDEO_SECONDS = 120.0
DECODING_SECONDS = 20.0
MAX_FRAME_SIDE = 640  # of the frames that are taken; models that read any size would get thousands of tokens of more
# Formats that hold what they show. Others are lists of further files and addresses, which would be opened too.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,ogg,flv,asf"
_MOST_PACKETS = 100_000  # a clip of two minutes has fewer
# Containers that store the order in which frames are decoded, and no times at which they are shown.
_WITHOUT_PRESENTATION_TIMES = ("avi", "asf")


@dataclass(frozen=True)
class Clip:
    """Evenly spaced frames of a video.

    Attributes
    ----------
    frames : tuple of PIL.Image.Image
        RGB, all of one size.
    seconds : tuple of float
        When each of them begins to be shown.
    duration_seconds : float
        Of the whole video.
    """

    frames: tuple[Image.Image, ...] = field(repr=False)
    seconds: tuple[float, ...]
    duration_seconds: float

    @property
    def metadata(self) -> dict[str, Any]:
        """As a transformers processor takes it in ``video_metadata``, with frames counted in milliseconds."""
        return {
            "fps": 1000.0,
            "total_num_frames": max(round(1000 * self.duration_seconds), len(self.frames)),
            "frames_indices": [round(1000 * second) for second in self.seconds],
        }


def open_video(
    source: Any,
    *,
    frames: int = FRAMES,
    most_bytes: int = MAX_VIDEO_BYTES,
    most_pixels: int = MAX_FRAME_PIXELS,
    most_seconds: float = MAX_VIDEO_SECONDS,
    decoding_seconds: float = DECODING_SECONDS,
) -> Clip:
    """Take the frames that are shown in the middles of equal parts of a video.

    Parameters
    ----------
    source
        A path, or the bytes of a file: MP4, WebM, AVI, an animated GIF and the like. Of several video streams the main
        one is read; packets that an edit list hides are left out, as players do; sound is ignored.
    frames
        How many parts, at least 1. A video of fewer frames gives all of them.
    most_bytes, most_pixels, most_seconds
        The largest file, the largest frame as it is stored, and the longest video.
    decoding_seconds
        The longest time that reading may take.

    Returns
    -------
    Clip
        Frames are upright, opaque on white, of square pixels, and at most 640 px on their long side.

    Raises
    ------
    InvalidInputError
        For a file that is no video or an incomplete one, and beyond any of the limits.
    """
    frames = whole(frames, "frames", low=1, error=InvalidInputError)
    if av is None:
        raise InvalidInputError('Videos need the package av: pip install "fastv-explorer[video]".')
    if isinstance(source, (str, Path)):
        source = read_file(Path(source), most_bytes, "video")
    if not isinstance(source, bytes | bytearray):
        raise InvalidInputError("There is no video: please choose one.")
    if len(source) > most_bytes:
        raise InvalidInputError(f"The video's file is over {most_bytes / 1e6:g} MB: please make it shorter or smaller.")
    reader = _Reader(bytes(source), most_pixels, most_seconds, time.monotonic() + decoding_seconds)
    try:
        times, end = reader.times()
        wanted = _middles(times, end, frames)
        taken = list(reader.frames_at(wanted, times))
    except (av.FFmpegError, OSError, ValueError, EOFError, MemoryError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise _damaged() from error
    if len(taken) < len(wanted):
        raise _damaged()
    size = taken[0].size
    return Clip(
        tuple(frame if frame.size == size else frame.resize(size) for frame in taken),
        tuple(round(second - times[0], 3) for second in wanted),
        round(end - times[0], 3),
    )


def _middles(times: list[float], end: float, frames: int) -> list[float]:
    """Of the times at which frames begin to be shown, those of the frames shown in the middle of each part."""
    if len(times) <= frames:
        return times
    span, found, index = (end - times[0]) / frames, [], 0
    for part in range(frames):
        middle = times[0] + (part + 0.5) * span
        while index + 1 < len(times) and times[index + 1] <= middle:
            index += 1
        found.append(times[index])
    return sorted(set(found))


class _Reader:
    """A video's bytes, opened anew for each pass over them.

    late: when to give up, on the monotonic clock.
    """

    def __init__(self, source: bytes, most_pixels: int, most_seconds: float, late: float):
        self.source, self.most_pixels, self.most_seconds, self.late = source, most_pixels, most_seconds, late
        self.by_rank = False  # whether the n-th frame is found by counting, and not by its time

    def times(self) -> tuple[list[float], float]:
        """When each frame begins to be shown, ascending, and when the last one ends; nothing is decoded.

        What a file says of its own length is often missing or wrong.
        """
        durations: dict[float, float] = {}
        with self._opened() as container:
            stream = self._stream(container)
            self.by_rank = container.format.name in _WITHOUT_PRESENTATION_TIMES
            for number, packet in enumerate(container.demux(stream)):
                stamp = packet.dts if self.by_rank else packet.pts
                if stamp is not None and not packet.is_discard:
                    durations[float(stamp * packet.time_base)] = float((packet.duration or 0) * packet.time_base)
                self._check(number, max(durations, default=0.0) - min(durations, default=0.0))
        if not durations:
            raise _damaged()
        times = sorted(durations)
        usual = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
        end = times[-1] + (durations[times[-1]] or usual)
        self._check(len(times), end - times[0])
        return times, end

    def frames_at(self, wanted: list[float], times: list[float]) -> Iterator[Image.Image]:
        """The frames that begin at the wanted ones of all ``times``; fewer where the video is damaged before."""
        waiting = [*wanted]
        with self._opened() as container:
            stream = self._stream(container)
            ratio = stream.sample_aspect_ratio or 1
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream)):
                self._check(0, 0.0)
                self._check_size(frame.width, frame.height, ratio)  # some formats let it change on the way
                shown = times[min(number, len(times) - 1)] if self.by_rank else frame.time
                if shown is None or not waiting or shown < waiting[0] - 1e-6:
                    continue
                waiting.pop(0)
                yield _picture(frame, ratio)
                if not waiting:
                    return

    def _opened(self) -> av.container.InputContainer:
        try:
            return av.open(
                BytesIO(self.source),
                "r",
                metadata_errors="ignore",
                options={"format_whitelist": _FORMATS, "protocol_whitelist": ""},
            )
        except (av.FFmpegError, ValueError) as error:
            raise InvalidInputError(
                "This file is not a video that can be read here: please use an MP4, WebM or GIF."
            ) from error

    def _stream(self, container: av.container.InputContainer) -> av.VideoStream:
        """The main video stream: not a cover picture beside it."""
        moving = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream) or stream not in moving or stream.frames == 1:
            stream = max(moving, key=lambda one: one.frames, default=None)
        if stream is None:
            raise InvalidInputError("There is no video in this file, only sound: please choose another one.")
        size = stream.codec_context
        self._check_size(size.width, size.height, stream.sample_aspect_ratio or 1)
        return stream

    def _check(self, packets: int, seconds: float) -> None:
        if seconds > self.most_seconds or packets > _MOST_PACKETS:
            raise InvalidInputError(
                f"The video is longer than {self.most_seconds:g} s: please cut it to what the question is about."
            )
        if time.monotonic() > self.late:
            raise InvalidInputError("The video takes too long to read: please make it shorter or smaller.")

    def _check_size(self, width: int, height: int, ratio: Fraction | int) -> None:
        """ratio: the width of a pixel by its height."""
        if width * height > self.most_pixels:
            raise InvalidInputError(
                f"The video has frames of {width} x {height} pixels: please make it smaller than "
                f"{self.most_pixels / 1e6:g} megapixels."
            )
        if not width or not height:
            raise _damaged()
        wide = round(width * ratio)
        if max(wide, height) > MAX_ASPECT_RATIO * min(wide, height):
            raise InvalidInputError(
                f"The video's frames are {wide} x {height} pixels, too narrow for the model: please crop it."
            )


def _picture(frame: av.VideoFrame, ratio: Fraction | int) -> Image.Image:
    """RGB of square pixels, turned as the video says, and not too large. ratio: the width of a pixel by its height."""
    width = float(frame.width * ratio)
    scale = min(1.0, MAX_FRAME_SIDE / max(width, frame.height))
    small = frame.reformat(
        max(1, round(width * scale)), max(1, round(frame.height * scale)), "rgba", interpolation="AREA"
    )
    picture = opaque(Image.fromarray(small.to_ndarray(), "RGBA"))
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


def _damaged() -> InvalidInputError:
    return InvalidInputError("The video is damaged or incomplete: please save it again, or try another one.")


def no_videos(name: str) -> str:
    """What to say of a model, by name, that reads no videos."""
    *others, last = (family.name for family in FAMILIES if family.videos)
    families = f"{', '.join(others)} and {last}"
    return f"{name} reads images only; {families} read videos too."
