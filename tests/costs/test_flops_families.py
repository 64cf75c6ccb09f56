"""Costs of every family against what torch counts while a small model of it runs, part by part."""

from __future__ import annotations

import pytest

from fastv import FastV
from fastv.costs.flops import cost
from fastv.evidence.published import video
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape
from fastv.pruning.methods.registry import METHODS
from tests.support.flop_counter import counted
from tests.support.masked_reference import visual_of
from tests.support.standins import IMAGE_TOKEN, PICTURE, STANDINS, VIDEO, VIDEO_TOKEN, WIDE

ROWS = {"picture": (5, PICTURE, 7), "wide": (5, WIDE, 7), "video": (5, VIDEO, 7), "two": (4, WIDE, 2, WIDE, 7)}
CASES = [(key, name) for key, standin in STANDINS.items() for name in ROWS if standin.video or name != "video"]


def computed(key: str, config, inputs, row: tuple, k=None, r=0.0):
    visual = int(visual_of(inputs["input_ids"], IMAGE_TOKEN, VIDEO_TOKEN).sum())
    frames = row.count(VIDEO) * STANDINS[key].video_frames
    return cost(
        config,
        text_tokens=inputs["input_ids"].shape[1] - visual,
        visual_tokens=visual,
        answer_tokens=1,
        pictures=sum(part in (PICTURE, WIDE) for part in row),
        frames=frames,
        k=k,
        r=r,
        convention="exact",
    )


@pytest.mark.parametrize("key, name", CASES)
def test_exact_is_what_torch_counts_part_by_part(key, name):
    standin, row = STANDINS[key], ROWS[name]
    model, inputs = standin.model(), standin.inputs([row])
    flops, expected = counted(model, inputs), computed(key, model.config, inputs, row)
    top = type(model).__name__
    tower, projector = flops[f"{top}.{standin.towers[name == 'video']}"], flops[f"{top}.{standin.projector}"]
    if standin.projector_in_tower:
        tower -= projector
    assert projector == pytest.approx(expected.projector_flops, rel=0.002)
    assert flops[f"{top}.model.language_model"] == pytest.approx(expected.decoder_prefill_flops, rel=0.002)
    assert flops[f"{top}.lm_head"] == expected.lm_head_flops
    if any(segment in row for segment in standin.inexact_segments):
        assert 0.9 * expected.vision_tower_flops < tower < expected.vision_tower_flops
    else:
        assert tower == pytest.approx(expected.vision_tower_flops, rel=0.002)
        assert flops["Global"] == pytest.approx(expected.prefill_flops, rel=0.002)


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("k, r", [(0, 0.5), (2, 0.75)])
def test_exact_is_what_torch_counts_with_fastv(key, k, r):
    model, row = STANDINS[key].model(width=64), ROWS["wide"]
    inputs = STANDINS[key].inputs([row])
    with FastV(k=k, r=r)(model):
        flops = counted(model, inputs)
    expected = computed(key, model.config, inputs, row, k, r)
    assert flops["Global"] == pytest.approx(expected.prefill_flops, rel=0.01)
    assert expected.prefill_flops < 0.99 * computed(key, model.config, inputs, row).prefill_flops


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("method", ["fastv", "fastv_mean", "random"])
def test_a_ranking_is_what_torch_counts_beyond_the_cost(key, method):
    model, row = STANDINS[key].model(width=64), ROWS["wide"]
    inputs = STANDINS[key].inputs([row])
    length = inputs["input_ids"].shape[1]
    made = METHODS[method](k=2, r=0.5)
    with made(model):
        flops = counted(model, inputs)
    own = made.own_flops(read_shape(model.config).decoder, length, 0)
    assert flops["Global"] - computed(key, model.config, inputs, row, 2, 0.5).prefill_flops == own


def test_a_videos_cost_is_its_frames():
    shape = read_shape(REFERENCE_CONFIGS["video-llava-7b"])
    tokens = shape.video_tokens(8, 224, 224)
    usual = dict(text_tokens=40, visual_tokens=tokens, answer_tokens=1, k=2, r=0.5)
    video, picture = cost(shape, pictures=0, frames=8, **usual), cost(shape, pictures=1, **usual)
    assert video.vision_tower_flops == 8 * picture.vision_tower_flops
    assert video.projector_flops == pytest.approx(8 * 257 / 256 * picture.projector_flops)
    assert video.decoder_prefill_flops == picture.decoder_prefill_flops
    assert cost(shape, pictures=0, **usual).vision_tower_flops == 0


def test_frames_go_through_a_flexible_tower_in_pairs():
    shape = read_shape(REFERENCE_CONFIGS["qwen2-vl-7b"])
    usual = dict(text_tokens=40, answer_tokens=1, k=2, r=0.5)
    pictures = cost(shape, visual_tokens=4 * 150, pictures=4, **usual)
    for frames in (7, 8):
        assert cost(shape, visual_tokens=4 * 150, pictures=0, frames=frames, **usual) == pictures
    assert cost(shape, visual_tokens=4 * 150, pictures=1, **usual).vision_tower_flops > pictures.vision_tower_flops
    assert cost(shape, visual_tokens=0, pictures=0, **usual).vision_tower_flops == 0


def test_one_length_of_text_explains_the_papers_ratios_for_video():
    """They are of 2048 visual tokens, and say nothing of the text; 69 tokens of it give both to the digit."""

    def ratio(k, r):
        flops = [
            cost(
                REFERENCE_CONFIGS["video-llava-7b"],
                text_tokens=69,
                visual_tokens=2048,
                answer_tokens=1,
                k=k,
                r=dropped,
                convention="paper",
            ).decoder_prefill_flops
            for dropped in (r, 0.0)
        ]
        return round(flops[0] / flops[1], 3)

    rows = [row for row in video() if row.k is not None]
    assert [ratio(row.k, row.r) for row in rows] == [row.flops_ratio for row in rows] == [0.523, 0.571]
