"""The presets offered for a model: those it can follow, its own default first."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from standins import llava_config

from fastv.budget import Preset, PresetProblem
from fastv.cost import kept_tokens
from fastv.shapes import REFERENCE_CONFIGS
from fastv.ui import budgets


def loaded(key: str, config) -> SimpleNamespace:
    return SimpleNamespace(entry=SimpleNamespace(key=key), model=SimpleNamespace(config=config))


def test_the_papers_points_are_offered_for_every_model():
    offered = budgets.choices(loaded("any", llava_config(layers=4)))
    assert [(choice.k, choice.r_percent) for choice in offered] == [(2, 50.0), (3, 50.0), (2, 75.0), (2, 90.0)]
    assert budgets.names(offered)[-1] == budgets.OWN and all(choice.sentence for choice in offered)


def test_the_large_model_begins_with_the_honest_equivalent():
    offered = budgets.choices(loaded("llava-1.5-13b", REFERENCE_CONFIGS["llava-1.5-13b"]))
    assert (offered[0].k, offered[0].r_percent) == (2, 53.8) and "total" in offered[0].name
    # 53.7% would be met by a part of a token; 53.8% is the first R that leaves a whole number within the budget.
    assert 39.4 <= next(choice.r_percent for choice in offered if "per-layer" in choice.name) <= 39.5


def test_tenths_of_a_percent_keep_the_same_tokens():
    for kept in range(577):
        r_percent = round(100 * (1 - kept / 576), 1)
        assert kept_tokens(576, r_percent / 100) == kept


def test_points_beyond_the_model_are_left_out():
    assert {choice.k for choice in budgets.choices(loaded("any", llava_config(layers=3)))} == {2}
    assert budgets.choices(loaded("any", llava_config(layers=2))) == [budgets.FALLBACK]
    assert budgets.names([budgets.FALLBACK]) == [budgets.OWN]


def test_a_broken_file_is_named_in_the_log_and_the_rest_stays(monkeypatch, caplog):
    good = Preset("Good", "Good.", "here", 1, 0.125)
    monkeypatch.setattr(budgets, "load_presets", lambda: ((good,), (PresetProblem("bad.json", "no name"),)))
    assert budgets.choices(loaded("any", llava_config())) == [budgets.Choice("Good", "Good.", 1, 12.5)]
    assert "bad.json" in caplog.text and "no name" in caplog.text


@pytest.mark.parametrize(
    "k, r_percent, name", [(2, 50, "Half"), (2, 50.0, "Half"), (3, 50, budgets.OWN), (2, 51, budgets.OWN)]
)
def test_sliders_find_their_preset(k, r_percent, name):
    offered = [budgets.Choice("Half", "Drops half.", 2, 50.0)]
    assert budgets.name_of(offered, k, r_percent) == name
    assert budgets.sentence_of(offered, name) == ("Drops half." if name == "Half" else budgets.OWN_SENTENCE)
