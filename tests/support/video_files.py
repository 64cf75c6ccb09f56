"""Videos made on the spot, whose frames say when they are shown."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from fastv.inputs.video import Clip


def video(
    count: int = 40,
    *,
    rate: int = 10,
    size: tuple[int, int] = (64, 48),
    kind: str = "mp4",
    codec: str = "libx264",
    b_frames: int | None = None,
    pixel_ratio: Fraction | None = None,
    cover: bool = False,
) -> bytes:
    """A file of ``count`` grey frames, frame i of brightness 5 * i (up to 255).

    size: width and height. pixel_ratio: the width of a pixel by its height. cover: with a still picture as a first
    video stream.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        still = container.add_stream("mjpeg", rate=1) if cover else None
        stream = container.add_stream(codec, rate=rate)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        if pixel_ratio:
            stream.codec_context.sample_aspect_ratio = pixel_ratio
        if still:
            still.width, still.height, still.pix_fmt = 64, 64, "yuvj420p"
            white = np.full((64, 64, 3), 250, np.uint8)
            container.mux(still.encode(av.VideoFrame.from_ndarray(white, format="rgb24")))
            container.mux(still.encode())
        for index in range(count):
            grey = np.full((size[1], size[0], 3), min(255, 5 * index), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def trimmed(data: bytes, begin: float, end: float) -> bytes:
    """An MP4 whose edit list shows only the seconds from ``begin`` to ``end``, as an editor trims without encoding."""
    whole = bytearray(data)
    place = whole.index(b"elst") + 8  # behind the name, version and flags
    entries, duration, start = struct.unpack_from(">IIi", whole, place)
    assert entries == 1
    movie, media = (struct.unpack_from(">I", whole, whole.index(name) + 16)[0] for name in (b"mvhd", b"mdhd"))
    struct.pack_into(">Ii", whole, place + 4, round((end - begin) * movie), start + round(begin * media))
    return bytes(whole)


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
