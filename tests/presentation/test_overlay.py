"""The dimmed picture: kept patches as they were, dropped ones dark, and words for those who do not see it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from fastv.presentation.overlay import SHOWN_SIDE, count, description, dimmed, side_by_side

KEPT = ((True, False), (False, False), (True, True))


def test_kept_patches_stay_and_dropped_ones_darken():
    shown = np.asarray(dimmed(Image.new("RGB", (400, 600), (200, 100, 50)), KEPT))
    for row, columns in enumerate(KEPT):
        for column, kept in enumerate(columns):
            patch = shown[200 * row : 200 * (row + 1), 200 * column : 200 * (column + 1)]
            assert (patch == (200, 100, 50)).all() if kept else patch.max() < 60


@pytest.mark.parametrize("size", [(56, 56), (14, 28), (336, 336)])
def test_small_pictures_are_enlarged_as_a_whole(size):
    shown = dimmed(Image.new("RGB", size), KEPT)
    assert min(shown.size) >= SHOWN_SIDE and shown.width * size[1] == shown.height * size[0]


def test_tokens_that_form_no_grid_are_not_drawn_as_one():
    picture = Image.new("RGB", (400, 400), "red")
    assert np.array_equal(dimmed(picture, ((True, False, True),)), picture)
    said = description(((True, False, True),))
    assert re.findall(r"\d+", said) == ["2", "3"] and "third" not in said


def test_the_description_counts_and_says_where():
    assert count(KEPT) == (3, 6)
    words = description(KEPT)
    assert (
        "3 of its 6 patches" in words
        and "33% in the upper third, 0% in the middle third, 67% in the lower third" in words
    )
    assert "0 of its 4" in description(((False, False), (False, False)))


def test_pictures_side_by_side_keep_their_proportions_and_none_is_lost():
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    pictures = [Image.new("RGB", (40, 20), colours[0]), *(Image.new("RGB", (40, 40), each) for each in colours[1:])]
    sheet = side_by_side(pictures)
    counts = {colour: number for number, colour in sheet.getcolors(10**6)}
    assert [counts[colour] for colour in colours] == [800, 1600, 1600]
    assert side_by_side(pictures[:1]) is pictures[0]
