"""A clip through the whole comparison, on the families that read videos, from a checkpoint's files on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastv import FastV
from fastv.errors import InvalidInputError
from fastv.loading.load import load
from fastv.measurement.compare import Comparison
from fastv.measurement.prompt import prompt_of
from fastv.presentation import comparison_html, report
from fastv.presentation.side_labels import USUAL
from tests.support.compare_sides import compare, side_of
from tests.support.comparisons import Tags, words
from tests.support.standins import save_checkpoint
from tests.support.video_files import noise_clip

pytestmark = pytest.mark.slow  # seconds each

QUESTION = "what is in the picture ?"
SIZES = {"video_llava": (56, 56), "qwen2_vl": (24, 16), "qwen2_5_vl": (24, 16)}  # as they take them
# Moments that the decoder sees, the tokens of each, and how many of them belong to no place.
SHAPES = {"video_llava": (8, 17, 1), "qwen2_vl": (4, 24, 0), "qwen2_5_vl": (4, 24, 0)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    found = {}
    for key in (*SIZES, "llava"):
        folder = tmp_path_factory.mktemp(key)
        save_checkpoint(key, folder)
        found[key] = load(str(folder))
    return found


def compared(loaded, clip, **settings) -> Comparison:
    *_, result = compare(loaded, clip, QUESTION, **{"max_new_tokens": 3, "repeats": 1} | settings)
    assert isinstance(result, Comparison)
    return result


@pytest.mark.parametrize("key", SIZES)
def test_a_clip_is_compared_and_every_frame_says_what_was_kept_of_it(key, models):
    loaded, clip = models[key], noise_clip(size=SIZES[key])
    result, (moments, tokens, lead) = compared(loaded, clip), SHAPES[key]
    plain, fastv = result.baseline, result.fastv
    assert fastv.is_clip and len(fastv.seen) == len(fastv.kept) == moments
    assert [one.tokens for one in fastv.seen] == [tokens] * moments and {len(one.lead) for one in fastv.seen} == {lead}
    assert plain.visual_tokens == plain.prompt_visual_tokens == moments * tokens
    assert fastv.visual_tokens == sum(one.kept_tokens for one in fastv.seen) == moments * tokens // 2
    assert all(all(map(all, grid)) for grid in plain.kept)
    # The engine's own choice, told frame by frame.
    prompt = prompt_of(loaded, clip, QUESTION, answer_tokens=3)
    with FastV(k=2, r=0.5)(loaded.model) as trace:
        loaded.model(**prompt.inputs)
    chosen = np.isin(trace.visual_positions[0].numpy(), trace.kept[0].numpy()).reshape(moments, tokens)
    for one, marked in zip(fastv.seen, chosen):
        assert (*one.lead, *np.ravel(one.kept)) == tuple(marked)
    span = len(clip.frames) // moments
    for index, one in enumerate(fastv.seen):
        np.testing.assert_allclose(np.asarray(one.picture, float), np.asarray(clip.frames[span * index], float), atol=1)
        assert one.seconds == clip.seconds[span * index : span * (index + 1)]
    assert fastv.prefill_flops < plain.prefill_flops and fastv.kv_cache_bytes < plain.kv_cache_bytes


@pytest.mark.parametrize("key", SIZES)
def test_nothing_dropped_is_bit_identical(key, models):
    loaded = models[key]
    prompt = prompt_of(loaded, noise_clip(5, SIZES[key]), QUESTION, answer_tokens=3)
    plain = loaded.model(**prompt.inputs).logits
    with FastV(k=2, r=0.0)(loaded.model):
        assert loaded.model(**prompt.inputs).logits.equal(plain)
    result = compared(loaded, noise_clip(5, SIZES[key]), r=0.0)
    assert result.fastv.answer == result.baseline.answer and result.fastv.kept == result.baseline.kept


def test_the_flops_of_the_tower_are_those_of_all_frames(models):
    few, many = (compared(models["video_llava"], noise_clip(count)).baseline for count in (1, 8))
    assert many.prefill_flops > 6 * few.prefill_flops


def test_the_seconds_between_frames_reach_the_model(models):
    loaded = models["qwen2_5_vl"]
    for step in (0.25, 2.0):
        prompt = prompt_of(loaded, noise_clip(8, SIZES["qwen2_5_vl"], step), QUESTION, answer_tokens=3)
        assert float(prompt.inputs["second_per_grid_ts"][0]) == pytest.approx(2 * step)


def test_the_numbers_to_take_away_have_a_grid_for_each_frame(models):
    result = compared(models["video_llava"], noise_clip())
    read = json.loads(report.as_json(result))
    grids, frames = read["fastv"]["kept"], read["fastv"]["frames"]
    assert np.shape(grids) == (8, 4, 4) and read["kept"] == grids
    assert [frame["seconds"] for frame in frames] == [[second] for second in noise_clip().seconds]
    assert sum(frame["kept_tokens"] for frame in frames) == read["fastv"]["visual_tokens"] == 68
    assert all(0 <= frame["kept_tokens"] - np.sum(grid) <= 1 for frame, grid in zip(frames, grids))
    html = report.as_html(result)
    pictures = [attributes for tag, attributes in Tags(html).tags if tag == "img"]
    assert len(pictures) == 16 and all(picture["src"].startswith("data:image/jpeg") for picture in pictures)
    assert "136 of them visual, of 8 frames" in words(html)


def test_the_words_count_and_say_in_which_frames(models):
    result = compared(models["video_llava"], noise_clip())
    html = comparison_html.kept(result.fastv, USUAL[1])
    assert "<b>68 of 136</b>" in html and "all of every frame" in html and html.count("<img") == 8
    for number, one in enumerate(result.fastv.seen, 1):
        assert f'alt="Frame {number}, at {one.seconds[0]:.2f} s: {one.kept_tokens} of 17 visual tokens kept"' in html


@pytest.mark.parametrize("side", ["candidate", "baseline"])
def test_a_model_made_for_pictures_says_so_at_once(side, models):
    pictures, videos = models["llava"], models["video_llava"]
    first, second = (pictures, videos) if side == "candidate" else (videos, pictures)
    with pytest.raises(InvalidInputError, match="reads images only"):
        compare(first, noise_clip(), QUESTION, baseline=side_of(second))


def test_two_models_that_read_videos_are_compared(models):
    result = compared(models["qwen2_vl"], noise_clip(), baseline=side_of(models["video_llava"]))
    assert (len(result.baseline.seen), len(result.fastv.seen)) == (8, 4)
    assert report.as_html(result).count("<img") == 8
