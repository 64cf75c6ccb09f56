"""Strangers' pictures, opened in a program of their own that gets little time and memory.

Decoders have faults: files of a few MB can keep one busy for minutes, or make it ask for all the memory there is. Here
that ends a small program and a request, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from fastv.errors import InvalidInputError
from fastv.inputs import MAX_SIDE_PIXELS, open_picture

_CPU_SECONDS = 10
_SECONDS = 40  # on a busy machine
_MOST_MEMORY = 3 * 2**30  # bytes; 50 megapixels of 16 bits take half of it
_ROOT = Path(__file__).resolve().parents[2]


def open_sealed(path: str | Path, *, most_pixels: int, most_bytes: int) -> Image.Image:
    """``inputs.open_picture`` of a file, in a program of its own. Raises InvalidInputError likewise, and for pictures that
    take more than 10 seconds of a processor, or 3 GiB of memory.
    """
    command = [sys.executable, "-m", __name__, str(path), str(most_pixels), str(most_bytes), str(_CPU_SECONDS)]
    known = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    few = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, env=os.environ | few | {"PYTHONPATH": known})
        said, pixels = done.stdout.split(b"\n", 1)
        told = json.loads(said)
        if "problem" in told:
            raise InvalidInputError(told["problem"])
        width, height = told["size"]
        if max(width, height) > MAX_SIDE_PIXELS:
            raise ValueError("larger than it can be")
        return Image.frombytes("RGB", (width, height), pixels)
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError("The picture takes too long, or too much memory, to open: please save it anew as a plain "
                                "JPEG or PNG.") from error


def main() -> None:
    """path, most_pixels, most_bytes, CPU seconds -> a line of JSON, and the pixels."""
    path, most_pixels, most_bytes, seconds = sys.argv[1:]
    try:
        import resource  # not on Windows, where time alone is bounded

        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    except (ImportError, ValueError, OSError):
        pass
    try:
        picture = open_picture(path, most_pixels=int(most_pixels), most_bytes=int(most_bytes))
    except InvalidInputError as error:
        told, pixels = {"problem": str(error)}, b""
    else:
        told, pixels = {"size": picture.size}, picture.tobytes()
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + pixels)


if __name__ == "__main__":
    main()
