"""The endpoints' functions as a script calls them."""

from __future__ import annotations

import json

import pytest

from fastv.app.api.costs import budget, cost
from fastv.costs.flops import Cost
from fastv.costs.flops import cost as computed
from fastv.errors import FastVError
from fastv.evidence import measurements
from fastv.families.catalogue import REFERENCE_CONFIGS
from tests.support.recorded_runs import record

BIG = REFERENCE_CONFIGS["llava-1.5-13b"]
# R in percent at which the 13B costs what the 7B costs in total, by the paper's formula; None where no R does.
PARITY = {0: 51.0, 1: 52.3, 2: 53.7, 3: 55.2, 5: 58.4, 8: 63.9, 10: 68.3, 20: None, 39: None}


def test_budget_at_total_parity_returns_the_table():
    answer = budget(model="llava-1.5-13b", like="llava-1.5-7b", basis="total")
    rows = {row["k"]: row for row in answer["rows"]}
    assert list(rows) == list(range(40))
    for k, percent in PARITY.items():
        if percent is None:
            assert not rows[k]["reachable"] and rows[k]["least"] > answer["target"]["amount"] and rows[k]["reason"]
        else:
            assert round(100 * rows[k]["continuous_r"], 1) == percent
            assert rows[k]["amount"] <= answer["target"]["amount"]
            assert rows[k]["kept"] == round(576 * (1 - rows[k]["r"]))
    assert json.loads(json.dumps(answer)) == answer


def test_budget_on_other_bases():
    per_layer = budget(basis="per-layer", ks=[2, 20])["rows"]
    assert [round(100 * row["continuous_r"], 1) for row in per_layer] == [39.4, 75.5]
    exact = budget(convention="exact", ks=[2])["rows"][0]
    assert round(100 * exact["continuous_r"], 1) == 54.0
    half = budget(like="llava-1.5-13b", basis="kv_cache_bytes", ratio=0.5, ks=[2], batch=4)
    assert half["rows"][0]["amount"] <= half["target"]["amount"]


@pytest.fixture
def timed(tmp_path, monkeypatch):
    """Times of the paper's two models, as if they had been taken."""
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    measurements._all_of.cache_clear()
    for model, layers in (("llava-1.5-7b", 8), ("llava-1.5-13b", 10)):
        (tmp_path / f"{model}.json").write_text(json.dumps(record(model, layers=layers)))
    yield
    measurements._all_of.cache_clear()


def test_budget_in_measured_time(timed):
    answer = budget(basis="first-token", ks=[2, 30])
    assert answer["target"] == {
        "quantity": "first_token_seconds",
        "amount": 0.08,
        "convention": "measured on a processor",
    }
    # 10 layers of 0.01 s: 2 + 8 (1 - R) = 8 at R = 25%, which 432 of 576 tokens are.
    assert answer["rows"][0]["reachable"] and answer["rows"][0]["kept"] == 432
    assert not answer["rows"][1]["reachable"] and "at K=30" in answer["rows"][1]["reason"]
    assert not budget(basis="first-token", ratio=0.1, ks=[2])["rows"][0]["reachable"]
    assert json.loads(json.dumps(answer)) == answer


def test_a_time_that_was_not_measured_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    measurements._all_of.cache_clear()
    answer = budget(basis="first-token", ks=[2])
    assert answer["target"] is None and "llava-1.5-7b" in answer["rows"][0]["reason"]
    measurements._all_of.cache_clear()


def test_cost_returns_every_component():
    answer = cost(k=2, r=0.5, answer_tokens=10)
    assert set(Cost.__dataclass_fields__) <= answer.keys() and json.loads(json.dumps(answer)) == answer
    expected = computed(BIG, text_tokens=36, visual_tokens=576, answer_tokens=10, k=2, r=0.5)
    assert all(answer[name] == getattr(expected, name) for name in Cost.__dataclass_fields__ if name != "layer_flops")
    assert len(answer["layer_flops"]) == 40
    assert cost(config=BIG, answer_tokens=10)["total_flops"] == answer["total_flops"]
    assert cost(batch=3)["prefill_flops"] == 3 * cost()["prefill_flops"]
    assert cost(visual_tokens=2048)["visual_tokens"] == 2048 and cost(pictures=2)["visual_tokens"] == 1152
    assert cost(k=None, r=0.0)["prefill_flops"] > cost()["prefill_flops"]


@pytest.mark.parametrize(
    "function, arguments, piece",
    [
        (cost, {"model": "nobody"}, "choose one of"),
        (cost, {"model": None}, "choose one of"),
        (cost, {"k": 40}, "0 to 39"),
        (cost, {"k": "2"}, "layers"),
        (cost, {"r": 1.5}, "from 0 to 1"),
        (cost, {"r": float("nan")}, "from 0 to 1"),
        (cost, {"text_tokens": -1}, "text_tokens"),
        (cost, {"text_tokens": 10**400}, "text_tokens"),
        (cost, {"batch": 0}, "batch"),
        (cost, {"visual_tokens": -1}, "visual"),
        (cost, {"pictures": 1.5}, "pictures"),
        (cost, {"dtype": "float1"}, "dtype"),
        (cost, {"convention": "mine"}, "convention"),
        (cost, {"config": {}}, "not known"),
        (cost, {"config": {"model_type": "llama", "hidden_size": 1e9}}, "whole number"),
        (cost, {"config": {"x": "y" * 70_000}}, "longer"),
        (cost, {"config": [1]}, "must be"),
        (budget, {"like": "nobody"}, "choose one of"),
        (budget, {"basis": "beauty"}, "basis"),
        (budget, {"basis": []}, "basis"),
        (budget, {"ks": [40]}, "0 to 39"),
        (budget, {"ks": [0] * 41}, "at most 40"),
        (budget, {"ks": ["2"]}, "layers"),
        (budget, {"ratio": 0}, "ratio"),
        (budget, {"ratio": float("nan")}, "ratio"),
        (budget, {"basis": "first-token", "ks": [40]}, "0 to 39"),
        (budget, {"convention": "x"}, "convention"),
    ],
)
def test_bad_requests_get_one_clear_sentence(function, arguments, piece):
    with pytest.raises(FastVError, match=piece) as refusal:
        function(**arguments)
    assert len(str(refusal.value)) < 500
