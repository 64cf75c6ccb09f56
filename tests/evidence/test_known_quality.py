"""What is said of quality is what was measured or published at that very budget, and else that nothing was."""

from __future__ import annotations

import json

import pytest

from fastv.evidence import measurements
from fastv.evidence.known_quality import known_quality
from fastv.evidence.published import table1
from tests.support.recorded_runs import record

UNKNOWN = "was not measured"


@pytest.fixture
def data(tmp_path, monkeypatch):
    made = record("mini-7", lost={(2, 0.5, "fastv"): 0.1, (2, 0.5, "random"): 0.4})
    (tmp_path / "mini-7.json").write_text(json.dumps(made))
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
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
