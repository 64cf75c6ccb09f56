"""The presets offered for a model: those it can follow, its own default first."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fastv.app.shared import preset_choices
from fastv.app.shared.preset_choices import PresetChoice
from fastv.costs import configs
from fastv.costs.flops import kept_tokens
from fastv.costs.presets import Preset, PresetProblem
from fastv.costs.solver import Workload
from fastv.families.catalogue import REFERENCE_CONFIGS, find, known_shape
from fastv.pruning.config import PruningConfig
from tests.support.miniatures import mini_13
from tests.support.standins import llava_config


def loaded(key: str, config, **more) -> SimpleNamespace:
    return SimpleNamespace(entry=SimpleNamespace(key=key), config=config, **{"ranked_from": 1, **more})


def test_the_papers_points_are_offered_for_every_model():
    offered = preset_choices.choices(loaded("any", llava_config(layers=4)))
    assert [choice.point for choice in offered] == [(2, 0.5), (3, 0.5), (2, 0.75), (2, 0.9)]
    assert preset_choices.names(offered)[-1] == preset_choices.OWN and all(choice.sentence for choice in offered)


def test_the_large_model_begins_with_the_honest_equivalent():
    offered = preset_choices.choices(loaded("llava-1.5-13b", REFERENCE_CONFIGS["llava-1.5-13b"]))
    assert offered[0].point == (2, 0.538) and "total" in offered[0].name
    # 53.7% would be met by a part of a token; 53.8% is the first R that leaves a whole number within the budget.
    assert 0.394 <= next(choice.pruning.r for choice in offered if "per-layer" in choice.name) <= 0.395


def test_tenths_of_a_percent_keep_the_same_tokens():
    for kept in range(577):
        r_percent = preset_choices.slider_percent(1 - kept / 576)
        assert kept_tokens(576, r_percent / 100) == kept


def test_points_beyond_the_model_are_left_out():
    assert {choice.pruning.k for choice in preset_choices.choices(loaded("any", llava_config(layers=3)))} == {2}
    assert preset_choices.choices(loaded("any", llava_config(layers=2))) == [preset_choices.FALLBACK]
    assert preset_choices.names([preset_choices.FALLBACK]) == [preset_choices.OWN]


@pytest.mark.parametrize("ranked_from, points", [(3, {3}), (4, {4}), (8, {0})])
def test_points_before_attention_can_rank_are_left_out_and_the_least_is_offered(ranked_from, points):
    offered = preset_choices.choices(loaded("any", llava_config(layers=8), layers=8, ranked_from=ranked_from))
    assert {choice.pruning.k for choice in offered} == points


def test_a_broken_file_is_named_in_the_log_and_the_rest_stays(monkeypatch, caplog):
    good = Preset("Good", "Good.", "here", 1, 0.125)
    monkeypatch.setattr(preset_choices, "load_presets", lambda: ((good,), (PresetProblem("bad.json", "no name"),)))
    assert preset_choices.choices(loaded("any", llava_config())) == [
        PresetChoice("Good", "Good.", PruningConfig(k=1, r=0.125))
    ]
    assert "bad.json" in caplog.text and "no name" in caplog.text


@pytest.mark.parametrize(
    "pruning, name",
    [
        (PruningConfig(k=2, r=0.5), "Half"),
        (PruningConfig("random", k=2, r=0.5002, seed=3), "Half"),
        (PruningConfig(k=3, r=0.5), preset_choices.OWN),
        (PruningConfig(k=2, r=0.51), preset_choices.OWN),
        (None, preset_choices.OWN),
    ],
)
def test_a_pruning_finds_its_preset(pruning, name):
    offered = [PresetChoice("Half", "Drops half.", PruningConfig(k=2, r=0.5))]
    assert preset_choices.name_of(offered, pruning) == name
    assert preset_choices.sentence_of(offered, name) == (
        "Drops half." if name == "Half" else preset_choices.OWN_SENTENCE
    )


GIB = 2**30
BOTH = 39 * GIB  # more than the weights of the paper's two models in 16 bits


def pool_of(
    folder, *keys: str, gpu_bytes: int = 0, dtype: str = "auto", refused: tuple[str, ...] = ()
) -> SimpleNamespace:
    """A pool with these models; mini-13's config is in ``folder``."""
    entries = {key: mini_13(folder) if key == "mini-13" else find(key) for key in keys}
    return SimpleNamespace(entries=entries, gpu_bytes=gpu_bytes, dtype=dtype, unavailable=dict.fromkeys(refused, "no"))


TWINS, REAL = ("mini-7", "mini-13"), ("llava-1.5-7b", "llava-1.5-13b")


@pytest.mark.parametrize(
    "keys, gpu_bytes, dtype, sides",
    [
        ((*TWINS, *REAL), 0, "auto", ("mini-13", "mini-7")),
        ((*TWINS, *REAL), BOTH, "auto", ("llava-1.5-13b", "llava-1.5-7b")),
        ((*TWINS, *REAL), BOTH // 2, "auto", ("mini-13", "mini-7")),
        ((*TWINS, *REAL), BOTH // 2, "4bit", ("llava-1.5-13b", "llava-1.5-7b")),
        (REAL, BOTH, "float16", ("llava-1.5-13b", "llava-1.5-7b")),
        (REAL, 0, "auto", None),
        (("mini-7", *REAL), 0, "auto", None),
        (("mini-13", *REAL), 0, "auto", None),
    ],
)
def test_the_duel_is_between_models_that_are_there(tmp_path, keys, gpu_bytes, dtype, sides):
    pool = pool_of(tmp_path, *keys, gpu_bytes=gpu_bytes, dtype=dtype)
    offered = preset_choices.choices(loaded("mini-7", configs.shape_of("mini-7")), pool)
    assert [choice.pair for choice in offered if choice.pair or "equal cost" in choice.name] == (
        [sides] if sides else []
    )


def test_no_duel_is_offered_with_a_model_that_cannot_be_had(tmp_path):
    pool = pool_of(tmp_path, *REAL, gpu_bytes=BOTH, refused=("llava-1.5-13b",))
    assert not any(choice.pair for choice in preset_choices.choices(loaded("mini-7", configs.shape_of("mini-7")), pool))


def test_the_duel_is_at_the_small_ones_cost_and_never_above_it(tmp_path):
    pool = pool_of(tmp_path, *TWINS)
    *_, duel = preset_choices.choices(loaded("mini-7", configs.shape_of("mini-7")), pool)
    large, small = known_shape(pool.entries["mini-13"]), configs.shape_of("mini-7")
    costs = [
        Workload().cost(large, duel.pruning.k, r, "exact").decoder_prefill_flops
        for r in (duel.pruning.r, duel.pruning.r - 1 / 576)
    ]
    assert costs[0] <= Workload().cost(small, None, 0.0, "exact").decoder_prefill_flops < costs[1]
    assert f"K={duel.pruning.k}, R={100 * duel.pruning.r:g}%" in duel.sentence


def test_the_large_twin_begins_as_dear_as_the_small_one(tmp_path):
    offered = preset_choices.choices(loaded("mini-13", known_shape(mini_13(tmp_path))), pool_of(tmp_path, *TWINS))
    assert offered[0].name == "mini-7-equivalent (total)" and offered[0].point == (2, 0.503)
    pruning = offered[-1].pruning
    assert pruning == offered[0].pruning
    assert (
        preset_choices.name_of(offered, pruning)
        == preset_choices.name_of(offered, pruning, ("mini-13", "llava"))
        == offered[0].name
    )
    assert preset_choices.name_of(offered, pruning, ("mini-13", "mini-7")) == "Larger model, equal cost"


def test_a_broken_duel_is_named_in_the_log(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(
        preset_choices, "load_pair_presets", lambda presets: ((), (PresetProblem("worse.json", "no pairs"),))
    )
    offered = preset_choices.choices(loaded("any", llava_config()), pool_of(tmp_path, *TWINS))
    assert "worse.json" in caplog.text and all(choice.pair is None for choice in offered)
