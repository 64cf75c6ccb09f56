"""Presets for both sides: they name budgets that exist, and a file that does not is told and skipped."""

from __future__ import annotations

import json

import pytest

from fastv.costs.presets import load_pair_presets, load_presets

PRESETS = load_presets()[0]
PAIR = {"model": "llava-1.5-13b", "preset": "7B-equivalent (total)"}
GOOD = {"name": "mine", "sentence": "Big against small.", "source": "me", "pairs": [PAIR]}


def test_the_papers_duel_is_the_large_model_at_the_small_ones_total_cost():
    (duel,), problems = load_pair_presets(PRESETS)
    assert problems == () and duel.name == "Larger model, equal cost" and duel.sentence and duel.source
    assert [(pair.model, pair.beside, pair.gpu) for pair in duel.pairs] == [
        ("llava-1.5-13b", "llava-1.5-7b", True),
        ("mini-13", "mini-7", False),
    ]
    assert all(pair.preset.target.basis == "total" for pair in duel.pairs)


def test_the_first_pair_that_can_be_had_is_taken():
    (duel,), _ = load_pair_presets(PRESETS)
    large, small = duel.pairs
    assert duel.pair(lambda pair: True) == large and duel.pair(lambda pair: not pair.gpu) == small
    assert duel.pair(lambda pair: False) is None


@pytest.mark.parametrize(
    "data, reason",
    [
        ([], "JSON object"),
        ({**GOOD, "k": 2}, "unknown field 'k'"),
        ({**GOOD, "source": ""}, "'source' is missing"),
        ({**GOOD, "pairs": "both"}, "'pairs' cannot be"),
        ({**GOOD, "pairs": []}, "'pairs' is empty"),
        ({**GOOD, "pairs": [[]]}, "JSON object"),
        ({**GOOD, "pairs": [{**PAIR, "gpu": 1}]}, "'gpu' cannot be 1"),
        ({**GOOD, "pairs": [{"model": "mini-13"}]}, "'preset' is missing"),
        ({**GOOD, "pairs": [{**PAIR, "preset": "none such"}]}, "'none such'"),
        ({**GOOD, "pairs": [{**PAIR, "preset": "K=2, R=50%"}]}, "meets another model's cost"),
        ({**GOOD, "pairs": [{**PAIR, "model": "mini-13"}]}, "not meant for 'mini-13'"),
    ],
)
def test_a_broken_duel_is_named_and_skipped(tmp_path, data, reason):
    (tmp_path / "1.json").write_text(json.dumps(GOOD))
    (tmp_path / "2.json").write_text(json.dumps(data))
    (duel,), (problem,) = load_pair_presets(PRESETS, tmp_path)
    assert duel.name == "mine" and problem.file == "2.json" and reason in problem.reason
