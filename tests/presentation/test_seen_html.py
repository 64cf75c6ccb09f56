"""The picture below its mask: the mask covers what was dropped and nothing else."""

from __future__ import annotations

import random
import re

import pytest
from PIL import Image

from fastv.inputs.frame_view import FrameView
from fastv.presentation.seen_html import mask_path, seen, seen_picture, seen_views
from fastv.presentation.side_labels import side_labels
from tests.support.comparisons import HOSTILE, PLAIN, PRUNED, Tags, pruned, words

LABEL = side_labels(PLAIN, PRUNED)[1]


def covered(path: str) -> set[tuple[int, int]]:
    boxes = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path)
    return {(int(x) + step, int(y)) for x, y, width in boxes for step in range(int(width))}


def test_the_mask_covers_what_is_dropped():
    rng = random.Random(1)
    grid = tuple(tuple(rng.random() < 0.5 for _ in range(9)) for _ in range(7))
    assert covered(mask_path(grid)) == {(x, y) for y, row in enumerate(grid) for x, kept in enumerate(row) if not kept}
    assert mask_path(((True, True), (True, True))) == ""
    assert mask_path(((True, False),)) == ""  # a single row is no grid over the picture


def test_it_says_how_many_are_left_and_tells_runs_apart():
    html = seen(pruned(), LABEL, stamp="one")
    assert "2 of 4" in words(html) and "layer 2" in words(html) and "2 of its 4 patches" in html
    assert html != seen(pruned(), LABEL, stamp="other")


def test_a_picture_that_no_model_has_seen_has_no_mask_and_no_numbers():
    html = seen_picture(Image.new("RGB", (600, 300)))
    assert not re.search(r"\d", words(html)) and 'd=""' in html and "aspect-ratio:600/300" in html


def test_foreign_text_is_never_markup():
    html = seen_picture(Image.new("RGB", (8, 8)), ((True,), (False,)), LABEL, stamp=HOSTILE)
    assert [tag for tag, _ in Tags(html).tags].count("img") == 1


@pytest.mark.parametrize("parts, across", [(2, 2), (5, 3), (13, 4)])
def test_all_tiles_are_shown_each_below_its_own_mask(parts, across):
    rng = random.Random(0)
    grids = [tuple(tuple(rng.random() < 0.5 for _ in range(4)) for _ in range(4)) for _ in range(parts)]
    views = [FrameView(grid, Image.new("RGB", (56, 56), (10 * n, 0, 0))) for n, grid in enumerate(grids)]
    html = seen_views(views, LABEL)
    paths = re.findall(r'<path d="([^"]*)"', html)
    assert [len(covered(path)) for path in paths] == [16 - sum(map(sum, grid)) for grid in grids]
    assert f"--across:{across}" in html and len(set(re.findall(r'src="([^"]+)"', html))) == parts
    kept = sum(sum(map(sum, grid)) for grid in grids)
    assert f"{kept} of {16 * parts}" in words(html)


def test_one_view_is_the_picture():
    view = FrameView(((True, False), (False, True)), Image.new("RGB", (8, 8)))
    assert seen_views((view,), LABEL) == seen_picture(view.picture, view.kept, LABEL)


def test_tokens_without_a_place_count_too():
    view = FrameView(((True, False), (False, True)), Image.new("RGB", (8, 8)), lead=(True, False, True))
    assert "4 of 7" in words(seen_views((view,), LABEL))
