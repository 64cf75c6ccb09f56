"""Videos: frames evenly spaced whatever the format, within limits, and plain words for what cannot be used."""

from __future__ import annotations

import contextlib
import struct
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from fastv.errors import InvalidInputError
from fastv.inputs.video import FRAMES, MAX_FRAME_SIDE, Clip, open_video
from tests.support.video_files import animation, growing, sound, trimmed, video


def shown_at(clip: Clip) -> list[float]:
    """When each frame of ``video`` at 10 frames a second was shown, by its brightness."""
    return [round(float(np.asarray(frame).mean()) / 5) / 10 for frame in clip.frames]


@pytest.mark.parametrize(
    "kind, codec", [("mp4", "libx264"), ("webm", "libvpx-vp9"), ("matroska", "mpeg4"), ("mpegts", "mpeg2video")]
)
def test_frames_are_those_in_the_middles_of_equal_parts(kind, codec):
    clip = open_video(video(40, kind=kind, codec=codec, rate=25))
    assert len(clip.frames) == len(clip.seconds) == FRAMES and clip.duration_seconds == pytest.approx(1.6, abs=0.05)
    assert clip.seconds == pytest.approx([0.08 + 0.2 * part for part in range(FRAMES)], abs=0.02)
    assert np.allclose(np.array(shown_at(clip)) * 10 / 25, clip.seconds, atol=0.041)
    assert all(frame.mode == "RGB" and frame.size == (64, 48) for frame in clip.frames)


def test_the_path_of_a_file_does_as_well(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(video())
    assert open_video(tmp_path / "clip.mp4").seconds == open_video(video()).seconds


@pytest.mark.parametrize("count, frames", [(1, 8), (3, 8), (8, 8), (9, 8), (10, 3)])
def test_a_video_of_few_frames_gives_each_once(count, frames):
    clip = open_video(animation(count), frames=frames)
    assert len(clip.frames) == min(count, frames) and clip.duration_seconds == pytest.approx(0.1 * count)
    assert [frame.getpixel((3, 3))[0] for frame in clip.frames] == [round(200 * second) for second in clip.seconds]
    assert list(clip.seconds) == sorted(set(clip.seconds))


def test_the_metadata_are_true_seconds():
    clip = open_video(video(40, rate=10))
    said = clip.metadata
    assert [index / said["fps"] for index in said["frames_indices"]] == list(clip.seconds)
    assert said["total_num_frames"] / said["fps"] == clip.duration_seconds == 4.0


def test_large_frames_become_smaller_and_keep_their_shape():
    clip = open_video(video(2, size=(1280, 320)))
    assert clip.frames[0].size == (MAX_FRAME_SIDE, MAX_FRAME_SIDE // 4)


def test_what_is_transparent_lies_on_white(tmp_path):
    frames = [Image.new("RGBA", (8, 8), (0, 0, 0, 0)), Image.new("RGBA", (8, 8), (255, 0, 0, 255))]
    frames[0].save(tmp_path / "clear.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    clip = open_video(tmp_path / "clear.gif")
    assert [frame.getpixel((2, 2)) for frame in clip.frames] == [(255, 255, 255), (255, 0, 0)]


def lying(quarters: int) -> bytes:
    """An MP4 of one frame whose upper half is white, with a note to show it turned clockwise by so many quarters."""
    file, pixels = BytesIO(), np.zeros((32, 64, 3), np.uint8)
    pixels[:16] = 255
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    whole = bytearray(file.getvalue())
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    start = whole.index(b"tkhd") + 44
    whole[start : start + 36] = matrix
    return bytes(whole)


@pytest.mark.parametrize(
    "quarters, size, white",
    [(0, (64, 32), (32, 4)), (1, (32, 64), (28, 32)), (2, (64, 32), (32, 28)), (3, (32, 64), (4, 32))],
)
def test_what_was_filmed_lying_comes_upright(quarters, size, white):
    (frame,) = open_video(lying(quarters)).frames
    assert frame.size == size and min(frame.getpixel(white)) > 200
    assert max(frame.getpixel((size[0] - 1 - white[0], size[1] - 1 - white[1]))) < 60


@pytest.mark.parametrize("kind", ["avi", "asf"])
@pytest.mark.parametrize("codec, b_frames", [("libx264", None), ("libx264", 0), ("mpeg4", 2), ("mpeg4", 0)])
def test_frames_of_containers_without_presentation_times_are_the_ones_at_their_seconds(kind, codec, b_frames):
    clip = open_video(video(kind=kind, codec=codec, b_frames=b_frames))
    assert len(clip.frames) == FRAMES
    assert clip.duration_seconds == pytest.approx(4.0, abs=0.01)
    assert clip.seconds == pytest.approx([0.2 + 0.5 * part for part in range(FRAMES)], abs=0.01)
    assert shown_at(clip) == pytest.approx(clip.seconds, abs=0.11)


@pytest.mark.parametrize("kind", ["matroska", "mp4", "avi"])
def test_of_several_video_streams_the_main_one_is_read(kind):
    clip = open_video(video(kind=kind, cover=True))
    assert len(clip.frames) == FRAMES
    assert clip.frames[0].size == (64, 48)
    assert shown_at(clip) == pytest.approx(clip.seconds, abs=0.11)


@pytest.mark.parametrize(
    "size, ratio, shown",
    [((72, 48), (64, 45), (102, 48)), ((96, 48), (1, 2), (48, 48)), ((640, 320), (2, 1), (640, 160))],
)
def test_pixels_come_square(size, ratio, shown):
    for kind in ("mp4", "matroska"):
        assert open_video(video(3, size=size, kind=kind, pixel_ratio=Fraction(*ratio))).frames[0].size == shown


def test_frames_that_are_too_narrow_once_their_pixels_are_square_are_refused():
    with pytest.raises(InvalidInputError, match="1920 x 48 pixels"):
        open_video(video(3, size=(192, 48), pixel_ratio=Fraction(10, 1)))


@pytest.mark.parametrize("begin, end", [(0.0, 2.5), (1.5, 4.0), (1.5, 3.0), (0.0, 4.0)])
@pytest.mark.parametrize("b_frames", [None, 0])
def test_what_an_edit_list_hides_is_left_out(begin, end, b_frames):
    clip = open_video(trimmed(video(40, b_frames=b_frames), begin, end))
    assert clip.duration_seconds == pytest.approx(end - begin, abs=0.01)
    assert len(clip.frames) == FRAMES
    assert [second + begin for second in clip.seconds] == pytest.approx(shown_at(clip), abs=0.02)


def test_hidden_packets_do_not_count_as_length():
    long = video(45, rate=1)
    with pytest.raises(InvalidInputError, match="longer"):
        open_video(long, most_seconds=20)
    assert open_video(trimmed(long, 20.0, 30.0), most_seconds=20).duration_seconds == pytest.approx(10.0)


def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (20, 30)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "source, piece",
    [
        (None, "There is no video"),
        ("/nowhere/clip.mp4", "no file “clip.mp4”: please choose one"),
        (b"", "not a video"),
        (b"this is no video", "not a video"),
        (picture(), "not a video"),
        (video()[:900], "not a video|damaged"),
        (video(kind="webm", codec="libvpx-vp9")[:300], "not a video|damaged"),
        (sound(), "only sound"),
        (video(1, size=(640, 16)), "too narrow"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(source, piece):
    with pytest.raises(InvalidInputError, match=piece):
        open_video(source)


@pytest.mark.parametrize("frames", [0, -1, 1.5, "8", True, None])
def test_a_number_of_frames_that_is_none_is_refused(frames):
    with pytest.raises(InvalidInputError, match="whole number"):
        open_video(video(), frames=frames)


@pytest.mark.parametrize(
    "limits, piece",
    [
        ({"most_bytes": 500}, "over 0.0005 MB"),
        ({"most_pixels": 3000}, "64 x 48 pixels"),
        ({"most_seconds": 3.5}, "longer than 3.5 s"),
        ({"decoding_seconds": 0.0}, "too long to read"),
    ],
)
def test_limits_hold(limits, piece):
    assert open_video(video())
    with pytest.raises(InvalidInputError, match=piece):
        open_video(video(), **limits)


def test_a_broken_middle_is_no_reason_to_fail_in_other_ways():
    whole, rng = video(40, kind="mpegts", codec="mpeg2video"), np.random.default_rng(0)
    for _ in range(20):
        broken = bytearray(whole)
        start = int(rng.integers(0, len(broken) - 200))
        broken[start : start + 200] = rng.bytes(200)
        with contextlib.suppress(InvalidInputError):
            assert open_video(bytes(broken)).frames


@pytest.mark.parametrize(
    "listed",
    ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {path}\n"],
)
def test_a_list_of_other_files_is_no_video(listed, tmp_path):
    """Players would open what is listed: other people's files, and addresses."""
    (tmp_path / "secret.ts").write_bytes(video(kind="mpegts", codec="mpeg2video"))
    for path in (tmp_path / "secret.ts", f"file://{tmp_path / 'secret.ts'}"):
        with pytest.raises(InvalidInputError, match="not a video"):
            open_video(listed.format(path=path).encode())


def test_frames_that_grow_on_the_way_are_refused_and_others_are_not():
    with pytest.raises(InvalidInputError, match="4000 x 4000 pixels"):
        open_video(growing(4_000))
    assert len(open_video(growing(200)).frames) == FRAMES
