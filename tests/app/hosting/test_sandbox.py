"""A subprocess opens what would be opened here; what ends it is in the log."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fastv.app.hosting import sandbox
from fastv.app.hosting.sandbox import open_image_sandboxed, open_video_sandboxed
from fastv.errors import InvalidInputError
from fastv.inputs.image import open_picture
from fastv.inputs.video import open_video
from tests.support.video_files import video


def test_a_picture_is_the_same(tmp_path):
    Image.effect_noise((150, 2_900), 60).convert("RGBA").save(tmp_path / "a.png")
    here = open_picture(tmp_path / "a.png", most_pixels=10**6, most_bytes=10**7)
    there = open_image_sandboxed(tmp_path / "a.png", most_pixels=10**6, most_bytes=10**7)
    assert there.mode == "RGB" and np.array_equal(np.asarray(here), np.asarray(there))


def test_a_clip_is_the_same(tmp_path):
    (tmp_path / "a.mp4").write_bytes(video(40))
    here, there = open_video(tmp_path / "a.mp4"), open_video_sandboxed(tmp_path / "a.mp4")
    assert (here.seconds, here.duration_seconds) == (there.seconds, there.duration_seconds)
    assert all(
        np.array_equal(np.asarray(one), np.asarray(other)) for one, other in zip(here.frames, there.frames, strict=True)
    )


def test_refusals_are_the_same(tmp_path):
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(InvalidInputError) as here:
        open_picture(tmp_path / "a.png")
    with pytest.raises(InvalidInputError, match=str(here.value)[:40]):
        open_image_sandboxed(tmp_path / "a.png")
    with pytest.raises(InvalidInputError, match="not a video"):
        open_video_sandboxed(tmp_path / "a.png")


def test_a_program_that_cannot_even_begin_is_in_the_log(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sandbox, "__name__", "fastv.app.hosting.there_is_none")
    with pytest.raises(InvalidInputError, match="too long, or too much memory"):
        open_image_sandboxed(tmp_path / "a.png")
    assert "there_is_none" in caplog.text


def test_opening_an_image_starts_without_numpy_and_ffmpeg():
    """Each image gets a process of its own: what it imports is added to every run."""
    code = "import sys, fastv.app.hosting.sandbox; assert not {'numpy', 'av', 'torch', 'gradio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
