"""Opens uploaded images and videos in a subprocess with little time and memory.

Decoders have faults: files of a few MB can keep one busy for minutes, or make it allocate all memory. Here that ends
the subprocess and the request, and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from fastv.errors import InvalidInputError
from fastv.inputs.image import open_picture
from fastv.paths import PACKAGE

if TYPE_CHECKING:
    from fastv.inputs.video import Clip

logger = logging.getLogger(__name__)

_CPU_SECONDS = {"picture": 10, "video": 40}
_SECONDS = 40  # on a busy machine
_MOST_MEMORY = 3 * 2**30  # bytes; 50 megapixels of 16 bits take half of it
_ROOT = PACKAGE.parent


def open_image_sandboxed(path: str | Path, **limits: int) -> Image.Image:
    """``inputs.image.open_picture`` in a subprocess.

    Raises
    ------
    InvalidInputError
        As that function, and for images that take more than 10 CPU seconds or 3 GiB of memory to decode.
    """
    (picture,), _ = _opened("picture", path, limits)
    return picture


def open_video_sandboxed(path: str | Path, **limits: int) -> Clip:
    """``inputs.video.open_video`` in a subprocess; a video may take 40 CPU seconds."""
    from fastv.inputs.video import Clip  # FFmpeg's libraries: an image needs none, and each has a process of its own

    frames, told = _opened("video", path, limits)
    return Clip(frames, tuple(told["seconds"]), told["duration_seconds"])


def _opened(kind: str, path: str | Path, limits: dict[str, int]) -> tuple[tuple[Image.Image, ...], dict[str, Any]]:
    """The frames in a file, and its other properties."""
    asked = json.dumps({"kind": kind, "path": str(path), "limits": limits, "cpu_seconds": _CPU_SECONDS[kind]})
    known = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    few = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    plain = "a plain JPEG or PNG" if kind == "picture" else "a short MP4"
    refused = InvalidInputError(
        f"The {kind} takes too long, or too much memory, to decode: please save it again as {plain}."
    )
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, asked],
            capture_output=True,
            timeout=_SECONDS,
            env=os.environ | few | {"PYTHONPATH": known},
        )
    except subprocess.TimeoutExpired as error:
        raise refused from error
    if done.returncode:  # killed at a limit, or crashed; the log says which
        logger.warning(
            "A %s could not be opened (%s): %s", kind, done.returncode, done.stderr.decode(errors="replace")[-2_000:]
        )
        raise refused
    said, pixels = done.stdout.split(b"\n", 1)
    told = json.loads(said)
    if "problem" in told:
        raise InvalidInputError(told["problem"])
    pictures, at = [], 0
    for size in told["sizes"]:
        end = at + 3 * size[0] * size[1]
        pictures.append(Image.frombytes("RGB", tuple(size), pixels[at:end]))
        at = end
    return tuple(pictures), told


def main() -> None:
    """Reads what ``_opened`` asks for as JSON; writes a line of JSON, then the pixels."""
    asked = json.loads(sys.argv[1])
    try:
        import resource  # not on Windows, where time alone is bounded

        resource.setrlimit(resource.RLIMIT_CPU, (asked["cpu_seconds"],) * 2)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY,) * 2)
    except (ImportError, ValueError, OSError):
        pass
    try:
        pictures, told = _OPENERS[asked["kind"]](asked["path"], asked["limits"])
    except InvalidInputError as error:
        pictures, told = (), {"problem": str(error)}
    else:
        told["sizes"] = [picture.size for picture in pictures]
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + b"".join(picture.tobytes() for picture in pictures))


def _picture(path: str, limits: dict[str, int]) -> tuple[tuple[Image.Image, ...], dict[str, Any]]:
    return (open_picture(path, **limits),), {}


def _video(path: str, limits: dict[str, int]) -> tuple[tuple[Image.Image, ...], dict[str, Any]]:
    from fastv.inputs.video import open_video

    clip = open_video(path, **limits)
    return clip.frames, {"seconds": clip.seconds, "duration_seconds": clip.duration_seconds}


_OPENERS = {"picture": _picture, "video": _video}

if __name__ == "__main__":
    main()
