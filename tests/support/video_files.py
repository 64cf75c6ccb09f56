"""Videos made on the spot, whose frames say when they are shown."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from fastv.inputs.video import Clip


def video(
    count: int = 40, *, rate: int = 10, size: tuple[int, int] = (64, 48), kind: str = "mp4", codec: str = "libx264"
) -> bytes:
    """A file of ``count`` grey frames, frame i of brightness 5 * i (up to 255); size: width and height."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for index in range(count):
            grey = np.full((size[1], size[0], 3), min(255, 5 * index), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def growing(side: int) -> bytes:
    """A video that begins with frames of 64 x 48, and goes on with some of side x side."""

    def picture(width: int, height: int) -> bytes:
        file = io.BytesIO()
        Image.new("L", (width, height)).save(file, "JPEG")
        return file.getvalue()

    file, small, large = io.BytesIO(), picture(64, 48), picture(side, side)
    with av.open(file, "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(20):
            packet = av.Packet(small if index % 4 != 3 else large)
            packet.stream, packet.pts, packet.dts = stream, index, index
            packet.time_base, packet.is_keyframe = stream.time_base or Fraction(1, 10), True
            container.mux(packet)
    return file.getvalue()


def sound() -> bytes:
    """A file without pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def animation(count: int = 10, size: tuple[int, int] = (20, 30), milliseconds: int = 100) -> bytes:
    """A GIF whose frame i has i * 20 as its red."""
    file = io.BytesIO()
    frames = [Image.new("RGB", size, (20 * index, 0, 0)) for index in range(count)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds)
    return file.getvalue()


def noise_clip(count: int = 8, size: tuple[int, int] = (56, 56), step: float = 0.5) -> Clip:
    """Frames with something in every patch, ``step`` seconds apart."""
    shape = (count, size[1], size[0], 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    seconds = tuple(step * (index + 0.5) for index in range(count))
    return Clip(tuple(map(Image.fromarray, frames)), seconds, step * count)
