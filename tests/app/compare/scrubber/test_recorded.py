"""What the slider shows is what was recorded, and its costs are those of the arithmetic and of the measured grid."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from fastv.app.compare.scrubber.html import scrubber
from fastv.app.compare.scrubber.recorded import recorded_scene
from fastv.app.shared.example_scenes import GALLERY_SEEDS
from fastv.costs.flops import cost
from fastv.evidence.example_answers import example_answers
from fastv.evidence.measurements import measured
from fastv.families.catalogue import find, known_shape
from fastv.formatting import change, number, percent
from fastv.pruning.config import PruningConfig
from tests.support.comparisons import Tags, words

QUESTION = "Describe the picture."
SEED = GALLERY_SEEDS[0]


@pytest.fixture(scope="module", params=["mini-7", "mini-13"])
def scene(request):
    return recorded_scene(find(request.param), SEED, QUESTION)


@pytest.mark.parametrize("method, k, r", [("fastv", 2, 0.5), ("random", 4, 0.9)])
def test_the_parts_at_a_setting_are_the_data_at_its_step(scene, method, k, r):
    shown, data = scene.shown(PruningConfig(method, k, r)), scene.data()
    run, step = data["runs"][f"{method} {k}"], data["percents"].index(100 * r)
    record = scene.record.runs[SEED, method, k]
    assert data["said"][run["said"][step]] in shown.answers and data["said"][run["said"][0]] in shown.answers
    assert f"{sum(record.kept(step))} of {len(record.levels)}" in words(shown.kept)
    assert all(headline in words(shown.tiles) for headline, *_ in run["tiles"][step])
    assert data["remarks"][run["remarks"][step]] == shown.remark


def test_work_and_waiting_are_computed_and_measured(scene):
    model, sizes = scene.entry.key, {"text_tokens": scene.record.text_tokens, "visual_tokens": 576, "answer_tokens": 1}
    found, shape = measured(model), known_shape(scene.entry)
    whole, half = (cost(shape, **sizes, k=k, r=r) for k, r in ((None, 0.0), (2, 0.5)))
    tiles = scene.data()["runs"]["fastv 2"]["tiles"]
    work, memory, wait = tiles[10]
    assert work[0] == change(whole.prefill_flops, half.prefill_flops)
    assert memory[0] == change(whole.kv_cache_bytes, half.kv_cache_bytes)
    assert number(1e3 * found.seconds(found.point(2, 0.5))) in wait[3] and "≈" in tiles[11][2][0]
    assert all(one[0][2] >= other[0][2] for one, other in pairwise(tiles))


def test_the_sentence_below_is_of_the_measured_grid(scene):
    found = measured(scene.entry.key)
    point = found.point(2, 0.5, "random")
    said = words(scene.shown(PruningConfig("random", 2, 0.5)).remark)
    for score in (found.score(found.unpruned), found.score(point), found.score(point, "describe")):
        assert percent(score.share) in said
    assert "random" in said and scene.entry.name in said


def test_other_questions_scenes_and_models_have_nothing_recorded():
    mini = find("mini-7")
    assert recorded_scene(mini, SEED, " describe the picture ") is not None
    assert recorded_scene(mini, SEED, "What is it?") is None and recorded_scene(mini, 3, QUESTION) is None
    assert recorded_scene(mini, None, QUESTION) is None and recorded_scene(find("llava-1.5-7b"), SEED, QUESTION) is None
    assert recorded_scene(mini, SEED, QUESTION).shown(PruningConfig("fastv", 6, 0.5)) is None


def test_the_sliders_data_survives_the_page_and_is_small(scene):
    html = scrubber(PruningConfig("fastv", 2, 0.5), 8, scene)
    (root, *_) = [attributes for tag, attributes in Tags(html).tags if attributes.get("class") == "scrubber"]
    assert json.loads(root["data-recorded"]) == json.loads(json.dumps(scene.data())) and len(html) < 80_000
    assert "data-recorded" not in scrubber(PruningConfig("fastv", 2, 0.5), 8, None)
    assert len(example_answers(scene.entry.key).rs) == len(scene.data()["percents"])
