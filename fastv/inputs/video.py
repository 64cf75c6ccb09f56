"""Videos that a person hands in: checked, and a few frames taken from them, evenly spaced.

Every refusal is an ``InvalidInputError`` of one friendly sentence that says what to do instead. Knows no torch and no
model.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import av
from PIL import Image

from fastv.errors import InvalidInputError
from fastv.inputs.image import MAX_ASPECT_RATIO, opaque, read_file
from fastv.validation import whole

FRAMES = 8  # what Video-LLaVA was made for
MAX_VIDEO_BYTES = 100_000_000
MAX_FRAME_PIXELS = 9_500_000  # of one frame as it lies in the file: somewhat more than 4K
MAX_VIDEO_SECONDS = 120.0
DECODING_SECONDS = 20.0
MAX_FRAME_SIDE = 640  # of the frames that are taken; models that read any size would get thousands of tokens of more
# Formats that hold what they show. Others are lists of further files and addresses, which would be opened too.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,ogg,flv,asf"
_LONGEST_TAKEN = 100_000  # packets; more are no clip of two minutes


@dataclass(frozen=True)
class Clip:
    """Evenly spaced frames of a video, RGB and all of one size; seconds: when each of them is shown.

    duration_seconds: of the whole video.
    """

    frames: tuple[Image.Image, ...] = field(repr=False)
    seconds: tuple[float, ...]
    duration_seconds: float

    @property
    def metadata(self) -> dict[str, Any]:
        """What a processor of transformers takes as one ``video_metadata``: frames counted in milliseconds."""
        return {
            "fps": 1000.0,
            "total_num_frames": max(round(1000 * self.duration_seconds), len(self.frames)),
            "frames_indices": [round(1000 * second) for second in self.seconds],
        }


def open_video(
    source: str | Path | bytes,
    *,
    frames: int = FRAMES,
    most_bytes: int = MAX_VIDEO_BYTES,
    most_pixels: int = MAX_FRAME_PIXELS,
    most_seconds: float = MAX_VIDEO_SECONDS,
    decoding_seconds: float = DECODING_SECONDS,
) -> Clip:
    """The frames in the middles of ``frames`` equal parts of a video; all of them where it has no more.

    source: a path, or the bytes of a file: MP4, WebM, an animated GIF and the like. Frames come upright, opaque on
    white, and at most 640 px on their long side; sound is left alone. Raises InvalidInputError for a file over
    most_bytes, a frame over most_pixels, a video over most_seconds, one that takes longer than decoding_seconds to
    read, for what is no video, or not a whole one, and for a number of frames that is none.
    """
    frames = whole(frames, "frames", low=1)
    if isinstance(source, (str, Path)):
        source = read_file(Path(source), most_bytes, "video")
    if not isinstance(source, (bytes, bytearray)):
        raise InvalidInputError("There is no video: please choose one.")
    if len(source) > most_bytes:
        raise InvalidInputError(f"The video's file is over {most_bytes / 1e6:g} MB: please make it shorter or smaller.")
    reader = _Reader(source, most_pixels, most_seconds, time.monotonic() + decoding_seconds)
    try:
        times, end = reader.times()
        wanted = _middles(times, end, frames)
        taken = list(reader.frames_at(wanted))
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
    """Of the times at which frames begin to be shown, those of the frames in sight in the middle of each part."""
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
    """A video's bytes, opened anew for each look at it. late: on the monotonic clock."""

    def __init__(self, source: bytes, most_pixels: int, most_seconds: float, late: float):
        self.source, self.most_pixels, self.most_seconds, self.late = source, most_pixels, most_seconds, late

    def times(self) -> tuple[list[float], float]:
        """When each frame begins to be shown, ascending, and when the last one ends: without decoding anything.

        What a file says of its own length is often missing or wrong.
        """
        found: dict[float, float] = {}
        with self._opened() as container:
            stream = self._stream(container)
            for packet in container.demux(stream):
                if packet.pts is not None:
                    found[float(packet.pts * packet.time_base)] = float((packet.duration or 0) * packet.time_base)
                self._check(len(found), max(found, default=0.0) - min(found, default=0.0))
        if not found:
            raise _damaged()
        times = sorted(found)
        usual = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
        end = times[-1] + (found[times[-1]] or usual)
        self._check(len(times), end - times[0])
        return times, end

    def frames_at(self, wanted: list[float]) -> Iterator[Image.Image]:
        """The frames that begin at these times; fewer where the video is damaged before."""
        waiting = [*wanted]
        with self._opened() as container:
            stream = self._stream(container)
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                self._check(0, 0.0)
                self._check_size(frame.width, frame.height)  # some formats let it change on the way
                if frame.time is None or not waiting or frame.time < waiting[0] - 1e-6:
                    continue
                waiting.pop(0)
                yield _picture(frame)
                if not waiting:
                    return

    def _opened(self) -> av.container.InputContainer:
        try:
            return av.open(
                BytesIO(self.source),
                metadata_errors="ignore",
                options={"format_whitelist": _FORMATS, "protocol_whitelist": ""},
            )
        except (av.FFmpegError, ValueError) as error:
            raise InvalidInputError(
                "This file is not a video that can be read here: please use an MP4, WebM or GIF."
            ) from error

    def _stream(self, container: av.container.InputContainer) -> av.VideoStream:
        if not container.streams.video:
            raise InvalidInputError("There is no video in this file, only sound: please choose another one.")
        stream = container.streams.video[0]
        self._check_size(stream.codec_context.width, stream.codec_context.height)
        return stream

    def _check(self, packets: int, seconds: float) -> None:
        if seconds > self.most_seconds or packets > _LONGEST_TAKEN:
            raise InvalidInputError(
                f"The video is longer than {self.most_seconds:g} s: please cut it to what the question is about."
            )
        if time.monotonic() > self.late:
            raise InvalidInputError("The video takes too long to read: please make it shorter or smaller.")

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.most_pixels:
            raise InvalidInputError(
                f"The video has frames of {width} x {height} pixels: please make it smaller than "
                f"{self.most_pixels / 1e6:g} megapixels."
            )
        if not width or not height:
            raise _damaged()
        if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
            raise InvalidInputError(
                f"The video's frames are {width} x {height} pixels, too narrow to look at: please crop it."
            )


def _picture(frame: av.VideoFrame) -> Image.Image:
    """RGB, turned as the video says, and not too large."""
    scale = min(1.0, MAX_FRAME_SIDE / max(frame.width, frame.height))
    small = frame.reformat(
        max(1, round(frame.width * scale)), max(1, round(frame.height * scale)), "rgba", interpolation="AREA"
    )
    picture = opaque(Image.fromarray(small.to_ndarray(), "RGBA"))
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


def _damaged() -> InvalidInputError:
    return InvalidInputError("The video is damaged or incomplete: please save it again, or try another one.")
