"""A picture through the whole comparison on families other than LLaVA, from a checkpoint's files on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fastv.families.config_reader import read_shape
from fastv.loading.load import load
from fastv.measurement.compare import Comparison
from fastv.presentation.overlay import dimmed
from fastv.presentation.shared_result import SharedResult
from tests.support.compare_sides import compare
from tests.support.family_standins.qwen_vl import MOST_PIXELS
from tests.support.standins import save_checkpoint


@pytest.mark.parametrize(
    "key, grid, size",
    [("video_llava", (4, 4), (56, 56)), ("qwen2_vl", (4, 6), (24, 16)), ("qwen2_5_vl", (4, 6), (24, 16))],
)
def test_a_picture_is_compared(key, grid, size, tmp_path):
    save_checkpoint(key, tmp_path)
    loaded = load(str(tmp_path))
    width, height = size
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    *_, result = compare(loaded, picture, "what is in the picture ?", k=2, r=0.5, max_new_tokens=3, repeats=1)
    assert isinstance(result, Comparison)
    tokens = grid[0] * grid[1]
    assert (result.baseline.visual_tokens, result.fastv.visual_tokens) == (tokens, tokens // 2)
    assert (len(result.fastv.kept), len(result.fastv.kept[0])) == grid
    assert sum(map(sum, result.fastv.kept)) == tokens // 2
    assert result.fastv.prefill_flops < result.baseline.prefill_flops
    assert result.fastv.kv_cache_bytes < result.baseline.kv_cache_bytes
    assert read_shape(loaded.model.config).picture_tokens(height, width, 64, MOST_PIXELS) == tokens
    # The picture was of the size that the model takes, so it saw just that.
    np.testing.assert_allclose(np.asarray(result.fastv.seen[0].picture, float), np.asarray(picture, float), atol=1)
    shown = dimmed(result.fastv.seen[0].picture, result.fastv.kept)
    assert shown.width * height == shown.height * width


def test_pictures_of_other_shapes_have_other_grids(tmp_path):
    save_checkpoint("qwen2_5_vl", tmp_path)
    loaded = load(str(tmp_path))
    for size, grid in (((12, 44), (11, 3)), ((300, 200), (4, 7))):
        *_, result = compare(loaded, Image.new("RGB", size, "red"), "what ?", max_new_tokens=1, repeats=1)
        assert (len(result.fastv.kept), len(result.fastv.kept[0])) == grid
        assert result.fastv.seen[0].picture.size == (4 * grid[1], 4 * grid[0])


def test_a_picture_seen_in_parts_has_a_grid_for_each(tmp_path):
    """A link, whose one grid lies on the picture, carries none of them."""
    save_checkpoint("llava_next", tmp_path)
    *_, result = compare(load(str(tmp_path)), Image.new("RGB", (28, 56), "red"), "what ?", max_new_tokens=1, repeats=1)
    overview, finer = result.fastv.seen
    assert np.shape(result.fastv.kept[0]) == (2, 2) and np.shape(result.fastv.kept[1]) == (4, 2)
    told = result.to_dict()
    assert told["kept"] == told["fastv"]["kept"] == [[list(row) for row in one.kept] for one in (overview, finer)]
    assert [one["tokens"] for one in told["fastv"]["frames"]] == [overview.tokens, finer.tokens] == [4, 4 * (2 + 1)]
    assert sum(one["kept_tokens"] for one in told["fastv"]["frames"]) == result.fastv.visual_tokens == 8
    assert SharedResult.of(result, scene=3).kept is None
