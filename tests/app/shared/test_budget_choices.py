"""The presets offered for a model: those it can follow, its own default first."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fastv.app.shared import budget_choices
from fastv.costs import configs
from fastv.costs.flops import kept_tokens
from fastv.costs.solver import Preset, PresetProblem, Workload
from fastv.families.catalogue import REFERENCE_CONFIGS, find, known_shape
from tests.support.miniatures import mini_13
from tests.support.standins import llava_config


def loaded(key: str, config) -> SimpleNamespace:
    return SimpleNamespace(entry=SimpleNamespace(key=key), model=SimpleNamespace(config=config))


def test_the_papers_points_are_offered_for_every_model():
    offered = budget_choices.choices(loaded("any", llava_config(layers=4)))
    assert [(choice.k, choice.r_percent) for choice in offered] == [(2, 50.0), (3, 50.0), (2, 75.0), (2, 90.0)]
    assert budget_choices.names(offered)[-1] == budget_choices.OWN and all(choice.sentence for choice in offered)


def test_the_large_model_begins_with_the_honest_equivalent():
    offered = budget_choices.choices(loaded("llava-1.5-13b", REFERENCE_CONFIGS["llava-1.5-13b"]))
    assert (offered[0].k, offered[0].r_percent) == (2, 53.8) and "total" in offered[0].name
    # 53.7% would be met by a part of a token; 53.8% is the first R that leaves a whole number within the budget.
    assert 39.4 <= next(choice.r_percent for choice in offered if "per-layer" in choice.name) <= 39.5


def test_tenths_of_a_percent_keep_the_same_tokens():
    for kept in range(577):
        r_percent = round(100 * (1 - kept / 576), 1)
        assert kept_tokens(576, r_percent / 100) == kept


def test_points_beyond_the_model_are_left_out():
    assert {choice.k for choice in budget_choices.choices(loaded("any", llava_config(layers=3)))} == {2}
    assert budget_choices.choices(loaded("any", llava_config(layers=2))) == [budget_choices.FALLBACK]
    assert budget_choices.names([budget_choices.FALLBACK]) == [budget_choices.OWN]


def test_a_broken_file_is_named_in_the_log_and_the_rest_stays(monkeypatch, caplog):
    good = Preset("Good", "Good.", "here", 1, 0.125)
    monkeypatch.setattr(budget_choices, "load_presets", lambda: ((good,), (PresetProblem("bad.json", "no name"),)))
    assert budget_choices.choices(loaded("any", llava_config())) == [budget_choices.Choice("Good", "Good.", 1, 12.5)]
    assert "bad.json" in caplog.text and "no name" in caplog.text


@pytest.mark.parametrize(
    "k, r_percent, name", [(2, 50, "Half"), (2, 50.0, "Half"), (3, 50, budget_choices.OWN), (2, 51, budget_choices.OWN)]
)
def test_sliders_find_their_preset(k, r_percent, name):
    offered = [budget_choices.Choice("Half", "Drops half.", 2, 50.0)]
    assert budget_choices.name_of(offered, k, r_percent) == name
    assert budget_choices.sentence_of(offered, name) == (
        "Drops half." if name == "Half" else budget_choices.OWN_SENTENCE
    )


GIB = 2**30
BOTH = 39 * GIB  # more than the weights of the paper's two models in 16 bits


def pool_of(
    folder, *keys: str, gpu_bytes: int = 0, dtype: str = "auto", refused: tuple[str, ...] = ()
) -> SimpleNamespace:
    """A pool with these models; Mini 13's config is in ``folder``."""
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
    offered = budget_choices.choices(loaded("mini-7", configs.shape_of("mini-7")), pool)
    assert [choice.sides for choice in offered if choice.sides or "duel" in choice.name] == ([sides] if sides else [])


def test_no_duel_is_offered_with_a_model_that_cannot_be_had(tmp_path):
    pool = pool_of(tmp_path, *REAL, gpu_bytes=BOTH, refused=("llava-1.5-13b",))
    assert not any(
        choice.sides for choice in budget_choices.choices(loaded("mini-7", configs.shape_of("mini-7")), pool)
    )


def test_the_duel_is_at_the_small_ones_cost_and_never_above_it(tmp_path):
    pool = pool_of(tmp_path, *TWINS)
    *_, duel = budget_choices.choices(loaded("mini-7", configs.shape_of("mini-7")), pool)
    large, small = known_shape(pool.entries["mini-13"]), configs.shape_of("mini-7")
    costs = [
        Workload().cost(large, duel.k, r, "exact").decoder_prefill_flops
        for r in (duel.r_percent / 100, duel.r_percent / 100 - 1 / 576)
    ]
    assert costs[0] <= Workload().cost(small, None, 0.0, "exact").decoder_prefill_flops < costs[1]
    assert f"Mini 13 at K={duel.k}, R={duel.r_percent:g}% beside Mini 7." in duel.sentence


def test_the_large_twin_begins_as_dear_as_the_small_one(tmp_path):
    offered = budget_choices.choices(loaded("mini-13", known_shape(mini_13(tmp_path))), pool_of(tmp_path, *TWINS))
    assert offered[0].name == "Mini-7-equivalent (total)" and (offered[0].k, offered[0].r_percent) == (2, 50.3)
    point = (offered[-1].k, offered[-1].r_percent)
    assert point == (offered[0].k, offered[0].r_percent)
    assert (
        budget_choices.name_of(offered, *point)
        == budget_choices.name_of(offered, *point, ("mini-13", "llava"))
        == offered[0].name
    )
    assert budget_choices.name_of(offered, *point, ("mini-13", "mini-7")) == "The paper's duel"


def test_a_broken_duel_is_named_in_the_log(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(budget_choices, "load_duels", lambda presets: ((), (PresetProblem("worse.json", "no pairs"),)))
    offered = budget_choices.choices(loaded("any", llava_config()), pool_of(tmp_path, *TWINS))
    assert "worse.json" in caplog.text and all(choice.sides is None for choice in offered)
