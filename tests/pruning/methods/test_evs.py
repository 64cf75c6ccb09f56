"""EVS: the first frame, and what changes from frame to frame, against what the decoder is given."""

from __future__ import annotations

import pytest
import torch

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.families.registry import family_of
from fastv.pruning.methods.evs import EfficientVideoSampling as EVS
from tests.support.family_standins.base import PICTURE, VIDEO
from tests.support.masked_reference import CLOSE, EXACT, GREEDY, assert_same_answer, cuts_by_masking, visual_of
from tests.support.standins import END, IMAGE_TOKEN, STANDINS, START, VIDEO_TOKEN

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=3, suppress_tokens=[2, START, END, *VISUAL])
VIDEOS = {"video_llava": 3, "qwen2_vl": 2, "qwen2_5_vl": 2}  # frames, or pairs of them
ROWS = [(3, VIDEO, 5), (2, VIDEO, 1, VIDEO, 4), (9,)]


@pytest.mark.parametrize("key", VIDEOS)
@pytest.mark.parametrize("keep_ratio", [0.6, 0.8])
def test_keeps_first_frames_and_what_differs_from_the_frame_before(key, keep_ratio):
    standin, frames = STANDINS[key], VIDEOS[key]
    model, inputs = standin.model(), standin.inputs(ROWS)
    with EVS(keep_ratio=keep_ratio)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    with torch.no_grad():
        given = model(**inputs, output_hidden_states=True).hidden_states[0]
    each = standin.visual_tokens[VIDEO] // frames
    for row, ids in enumerate(inputs["input_ids"]):
        visual = visual_of(ids, *VISUAL).nonzero()[:, 0].tolist()
        scores = {}
        for number, position in enumerate(visual):
            if number % (each * frames) < each:
                scores[position] = 3.0
            else:
                one, other = given[row, position].double(), given[row, visual[number - each]].double()
                scores[position] = 1 - float(one @ other / (one.norm() * other.norm()))
        wanted = sorted(visual, key=lambda position, s=scores: (-s[position], position))[
            : round(len(visual) * keep_ratio)
        ]
        assert [position for position in trace.kept[row].tolist() if position >= 0] == sorted(wanted)
    with cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


def test_frames_that_stand_still_go_first():
    standin = STANDINS["video_llava"]
    model, inputs = standin.model(), standin.inputs([(3, VIDEO, 5)])
    inputs["pixel_values_videos"][0, 1] = inputs["pixel_values_videos"][0, 0]  # the second frame is the first again
    with EVS(keep=34)(model) as trace, torch.no_grad():
        model(**inputs)
    assert trace.kept[0].tolist() == [*range(4, 21), *range(38, 55)]


def test_nothing_dropped_is_bit_identical():
    model, inputs = STANDINS["qwen2_vl"].model(), STANDINS["qwen2_vl"].inputs(ROWS)
    with EVS(r=0)(model):
        output = model.generate(**inputs, **OPTIONS)
    assert_same_answer(output, model.generate(**inputs, **OPTIONS), **EXACT)


@pytest.mark.parametrize("key", ["video_llava", "qwen2_vl"])
def test_pictures_and_too_small_budgets_are_refused(key):
    standin = STANDINS[key]
    model = standin.model()
    with EVS(r=0.5)(model), torch.no_grad():
        for row in ((3, PICTURE, 5), (3, VIDEO, 2, PICTURE, 5)):
            with pytest.raises(InvalidInputError, match="has an image"):
                model(**standin.inputs([row]))
    with EVS(r=0.9)(model), torch.no_grad(), pytest.raises(InvalidInputError, match="first frame"):
        model(**standin.inputs([(3, VIDEO, 5)]))


def test_videos_of_unknown_geometry_are_refused(monkeypatch):
    standin = STANDINS["qwen2_vl"]
    model = standin.model()
    monkeypatch.setattr(type(family_of(model)), "visual_groups", lambda *_: None)
    with EVS()(model), pytest.raises(UnsupportedModelError, match="frame"):
        model(**standin.inputs([(3, VIDEO, 5)]))
