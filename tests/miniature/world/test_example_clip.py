"""The example clip: the file is what the script draws, things move in it, and it is small."""

from __future__ import annotations

import numpy as np

from fastv.inputs.video import open_video
from fastv.miniature.world.example_clip import CLIP, COUNT, RATE, draw_clip


def test_the_file_shows_what_is_drawn():
    clip, drawn = open_video(CLIP), draw_clip()
    assert len(drawn) == COUNT and clip.duration_seconds == COUNT / RATE
    for frame, second in zip(clip.frames, clip.seconds):
        expected = drawn[round(second * RATE)]
        assert np.abs(np.asarray(frame, float) - np.asarray(expected, float)).mean() < 4
    assert CLIP.stat().st_size < 100_000


def test_every_frame_differs_from_the_one_before():
    frames = [np.asarray(frame, float) for frame in open_video(CLIP).frames]
    assert all(np.abs(one - other).max() > 100 for one, other in zip(frames, frames[1:]))
