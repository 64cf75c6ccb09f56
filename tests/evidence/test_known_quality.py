"""What is said of quality is what was measured or published at that very budget, and else that nothing was."""

from __future__ import annotations

import json

import pytest

from fastv.evidence import measurements
from fastv.evidence import method_records as records
from fastv.evidence.known_quality import known_quality
from fastv.evidence.measurements import measured
from fastv.evidence.method_records import method_records
from fastv.evidence.published import table1
from fastv.pruning.config import chosen_by
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Score
from tests.support.recorded_runs import record

UNKNOWN = "was not measured"


@pytest.fixture
def data(tmp_path, monkeypatch):
    made = record("mini-7", lost={(2, 0.5, "fastv"): 0.1, (2, 0.5, "random"): 0.4})
    (tmp_path / "mini-7.json").write_text(json.dumps(made))
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    measurements._all_of.cache_clear()
    yield measurements.all_measured()["mini-7"]
    measurements._all_of.cache_clear()


@pytest.mark.parametrize("method", ["fastv", "random"])
def test_it_is_of_the_point_with_that_ranking(data, method):
    said = known_quality("mini-7", 2, 0.5, method)
    point = data.point(2, 0.5, method)
    assert "Of 200 questions" in said and f"{100 * data.score(point).share:.1f}".removesuffix(".0") + "%" in said
    assert f"{100 * data.change(point).share:+.1f}".replace("-", "−") in said


def test_a_budget_a_few_tokens_beside_a_measured_one_is_told_that_one(data):
    assert known_quality("mini-7", 2, 0.493) == known_quality("mini-7", 2, 0.5) and "at K=2, R=50%" in known_quality(
        "mini-7", 2, 0.493
    )
    assert known_quality("mini-7", 0, 0.5, "fastv") == known_quality("mini-7", 0, 0.5, "random")


@pytest.mark.parametrize("method", [name for name in METHODS if chosen_by(name, 0) == name != "random"])
def test_what_was_dropped_at_random_is_said_of_no_method_that_chooses_before_layer_0(data, method):
    share = f"{100 * data.score(data.point(0, 0.5, 'random')).share:.1f}".removesuffix(".0") + "%"
    assert share in known_quality("mini-7", 0, 0.5, "fastv_mean")
    assert UNKNOWN in known_quality("mini-7", 0, 0.5, method)
    assert UNKNOWN in known_quality("llava-1.5-13b", 0, 0.5, method)


@pytest.mark.parametrize("model", sorted(method_records()))
def test_every_measured_method_is_known_at_the_settings_that_were_measured(model):
    record = method_records()[model]
    usual = [point for point in record.points if not point.proportional]
    for point in usual:
        said = known_quality(model, point.k, point.r, point.method)
        assert UNKNOWN not in said
        if measured(model).point(point.k, point.r, point.method) is None and "3,000" in said:
            near = [one for one in usual if one.kind == point.kind and abs(one.r - point.r) < 1e-9]
            shares = {f"{100 * Score.of(one.marks).share:.1f}".removesuffix(".0") + "%" for one in near}
            assert any(f"{share} are answered correctly" in said for share in shares)


@pytest.mark.parametrize(
    "model, k, r, method",
    [
        ("mini-7", 2, 0.6, "fastv"),
        ("mini-7", 5, 0.5, "fastv"),
        ("llava-1.5-7b", 2, 0.6, "fastv"),
        ("llava-1.5-7b", 2, 0.5, "random"),
        ("a/model", 2, 0.5, "fastv"),
    ],
)
def test_what_was_not_measured_is_called_so(data, model, k, r, method):
    assert UNKNOWN in known_quality(model, k, r, method)


def test_published_scores_are_those_of_the_table():
    for row in table1():
        if row.k is not None:
            assert f"R={100 * row.r:g}%: {row.average:.1f} on average" in known_quality(row.model, row.k, row.r)


def test_where_nothing_is_dropped_nothing_is_said():
    assert known_quality("mini-7", None, 0.0) == known_quality("mini-7", 2, 0.0) == ""
