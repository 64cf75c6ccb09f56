"""The recorded answers about the example scenes: complete, small, of the shipped weights, and read as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastv.costs.flops import kept_tokens
from fastv.costs.presets import load_presets
from fastv.evidence.example_answers import example_answers, folder, packed_levels, parsed
from fastv.evidence.measurements import fingerprint
from fastv.families.catalogue import find
from fastv.miniature.world.gallery import GALLERY_SEEDS

MODELS = ("mini-7", "mini-13")


@pytest.mark.parametrize("model", MODELS)
def test_every_example_preset_and_step_is_recorded_of_the_shipped_weights(model):
    found = example_answers(model)
    assert found.weights == fingerprint(Path(find(model).source)) and model in found.command
    assert len(found.rs) == 20 and found.rs[0] == 0 and list(found.rs) == sorted(found.rs)
    ks = {preset.k for preset in load_presets()[0]}
    for seed in GALLERY_SEEDS:
        assert {(method, k) for method in ("fastv", "random") for k in ks} <= set(found.of_scene(seed))
    for run in found.runs.values():
        for step, r in enumerate(found.rs):
            assert sum(run.kept(step)) == kept_tokens(len(run.levels), r)


@pytest.mark.parametrize("model", MODELS)
def test_without_pruning_all_methods_say_the_same(model):
    found = example_answers(model)
    for seed in GALLERY_SEEDS:
        assert len({run.answers[0] for run in found.of_scene(seed).values()}) == 1


def test_the_files_are_small():
    assert sum(path.stat().st_size for path in folder().iterdir()) < 400_000


def test_nothing_is_known_of_other_models_and_scenes():
    assert example_answers("llava-1.5-7b") is None and example_answers("../mini-7") is None
    assert example_answers("mini-7").of_scene(123) == {}


def test_masks_survive_packing_and_those_that_do_not_nest_are_refused():
    masks = [[True, True, True], [True, False, True], [False, False, True]]
    data = {
        "model": "m", "command": "", "weights": "", "date": "", "question": "", "text_tokens": 1, "grid": [1, 3],
        "rs": [0, 0.3, 0.6], "scenes": {"5": {"answers": ["a", "b"], "runs": {
            "fastv 2": {"said": [0, 1, 0], "levels": packed_levels(masks)}}}},
    }  # fmt: skip
    run = parsed(data).runs[5, "fastv", 2]
    assert [run.kept(step) for step in range(3)] == masks and run.answers == ("a", "b", "a")
    with pytest.raises(ValueError):
        packed_levels([[True, False], [False, True]])
    data["scenes"]["5"]["runs"]["fastv 2"]["said"] = [0]
    with pytest.raises(ValueError):
        parsed(data)
