"""The strip of frames: each with its seconds and counts, in pictures and in words."""

from __future__ import annotations

import pytest
from PIL import Image

from fastv.inputs.frame_view import FrameView
from fastv.presentation.filmstrip import clip_strip, kept_strip, seen_strip, where_most
from tests.support.comparisons import Tags, words
from tests.support.video_files import noise_clip


def frame(kept: int, *, lead: tuple[bool, ...] = (), seconds: tuple[float, ...] = (0.5,)) -> FrameView:
    """One of 2 x 5 patches, the first ``kept`` of which are kept."""
    marked = [place < kept for place in range(10)]
    return FrameView((tuple(marked[:5]), tuple(marked[5:])), Image.new("RGB", (50, 20), "red"), lead, seconds)


@pytest.mark.parametrize(
    "kept, said",
    [
        ((1, 1, 9, 8, 1), "Frames 3 and 4 hold the most, 85%."),
        ((0, 10, 0), "Frame 2 holds the most, 100%."),
        ((5, 5, 5, 5), "spread about evenly"),
        ((10, 9, 10), "spread about evenly"),
        ((1, 3), "Frame 2 holds the most, 75%."),
        ((0, 0, 0), ""),
        ((7,), ""),
    ],
)
def test_it_is_said_where_most_is_kept(kept, said):
    words = where_most([frame(count) for count in kept])
    assert said in words and bool(said) == bool(words)


def test_tokens_without_a_place_count_too():
    assert frame(3, lead=(True, False)).kept_tokens == 4 and frame(3, lead=(True, False)).tokens == 12
    assert "<b>4</b> kept" in kept_strip([frame(3, lead=(True,))])


def test_every_frame_has_its_seconds():
    shown = clip_strip(noise_clip(3))
    assert [attributes["alt"] for tag, attributes in Tags(shown).tags if tag == "img"] == [
        "Frame 1, at 0.25 s",
        "Frame 2, at 0.75 s",
        "Frame 3, at 1.25 s",
    ]
    both = seen_strip([frame(2, seconds=(0.5, 1.5)), frame(2, seconds=(2.5,))])
    assert "0.50 and 1.50 s" in words(both) and "2.50 s" in words(both)
