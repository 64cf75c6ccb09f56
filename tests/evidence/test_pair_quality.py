"""What is said of two sides is what was measured of these very sides, question by question, or that nothing was."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from fastv.evidence import measurements
from fastv.evidence.known_quality import known_quality
from fastv.evidence.measurements import duels
from fastv.evidence.method_records import method_records
from fastv.evidence.pair_quality import quality_of_sides
from fastv.formatting import points
from fastv.measurement.results import Setup
from fastv.stats import Change, Score
from tests.support.recorded_runs import record


def side(model: str, k: int | None = None, r: float | None = None, method: str | None = "fastv") -> Setup:
    return Setup(model, model.title(), "float32", "cpu", k, r, None if k is None else method)


def shares(sentence: str) -> list[str]:
    """The shares that a sentence tells before its change in points."""
    return re.findall(r"(?<![=0-9.])[0-9.]+%(?! CI)", sentence)


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "duels").mkdir()
    small = record("mini-7")
    large = record("mini-13", right=0.9, lost={(2, 0.5, "fastv"): 0.1, (2, 0.5, "random"): 0.4})
    for folder, records in ((tmp_path, (small, large)), (tmp_path / "duels", ())):
        for one in records:
            (folder / f"{one['model']}.json").write_text(json.dumps(one))
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    measurements._all_of.cache_clear()
    yield measurements.all_measured()
    measurements._all_of.cache_clear()


def percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def test_one_model_beside_itself_is_told_as_before():
    assert quality_of_sides(side("mini-7", 2, 0.5), side("mini-7")) == known_quality("mini-7", 2, 0.5)


def test_the_method_decides_which_measurement_it_is():
    said = {method: quality_of_sides(side("mini-7", 2, 0.5, method), side("mini-7")) for method in ("fastv", "random")}
    assert said["fastv"] != said["random"] and "random" in said["random"]


@pytest.mark.parametrize("method", ["fastv", "random"])
def test_a_pair_is_compared_over_the_same_questions(data, method):
    said = quality_of_sides(side("mini-13", 2, 0.5, method), side("mini-7"))
    large, small = data["mini-13"], data["mini-7"]
    point = large.point(2, 0.5, method)
    assert shares(said) == [percent(large.score(point).share), percent(small.score(small.unpruned).share)]
    change = large.change(point, since=small.unpruned)
    assert f"{100 * change.share:+.1f}".replace("-", "−") in said


def test_both_sides_may_be_pruned(data):
    said = quality_of_sides(side("mini-13", 2, 0.5, "random"), side("mini-13", 2, 0.5))
    large = data["mini-13"]
    assert shares(said) == [percent(large.score(large.point(2, 0.5, method)).share) for method in ("random", "fastv")]


def test_the_recorded_pair_of_equal_cost_goes_before_the_grid():
    said = quality_of_sides(side("mini-13", 2, 0.503), side("mini-7"))
    large, small = duels()["mini-13"], duels()["mini-7"]
    point = next(one for one in large.pruned if one.k == 2)
    assert f"{len(large.tasks):,} questions" in said
    assert shares(said) == [percent(large.score(point).share), percent(small.score(small.unpruned).share)]


def test_the_same_setting_twice_says_nothing():
    assert quality_of_sides(side("mini-7", 2, 0.5), side("mini-7", 2, 0.5)) == ""


@pytest.mark.parametrize("option", [{"per": "image"}, {"positions": "close"}, {"proportional": True}])
def test_no_number_is_told_of_a_method_with_options(data, option):
    pruned = side("mini-7", 2, 0.5)
    with_option = replace(pruned, **option)
    pairs = [(with_option, side("mini-7")), (with_option, pruned), (pruned, with_option)]
    pairs.append((with_option, replace(with_option, method="random")))
    for candidate, baseline in pairs:
        said = quality_of_sides(candidate, baseline)
        assert "not measured" in said and not shares(said)
    assert quality_of_sides(with_option, with_option) == ""


@pytest.mark.parametrize(
    "candidate, baseline",
    [
        (side("mini-13", 2, 0.7), side("mini-7")),
        (side("llava-1.5-13b", 2, 0.5), side("mini-7")),
        (side("a/model", 2, 0.5), side("another/model")),
    ],
)
def test_a_pair_that_was_not_measured_is_called_so(data, candidate, baseline):
    assert "not measured" in quality_of_sides(candidate, baseline)


def test_two_methods_are_compared_on_the_questions_that_both_were_asked():
    record = method_records()["mini-7"]
    one, other = (next(p for p in record.points if p.method == name) for name in ("cdpruner", "dart"))
    said = quality_of_sides(
        side("mini-7", one.k, one.r, one.method), side("mini-7", other.k, round(other.r, 3), other.method)
    )
    assert shares(said) == [percent(Score.of(point.marks).share) for point in (one, other)]
    assert points(Change.of(other.marks, one.marks).share) in said
    assert "was not measured" in quality_of_sides(side("mini-7", 0, one.r, "cdpruner"), side("mini-13", 2, 0.5, "dart"))
