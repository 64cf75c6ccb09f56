"""The tab's fields: checked, and in the address."""

from urllib.parse import parse_qsl

import pytest

from fastv.app.sweep.choice import LINK_FIELDS, MOST_CELLS, SweepChoice, sent_fields
from fastv.errors import InvalidInputError
from fastv.pruning.config import PruningConfig
from fastv.sweep.controls import CONTROLS


def values(**changed):
    return {**vars(SweepChoice()), "methods": ["fastv"], "model": "mini-7", **changed}


def test_the_usual_choice_needs_no_words():
    assert SweepChoice().query == ""


def test_a_link_comes_back():
    sent = values(
        data="example", questions=7, methods=["random", "fastv"], k="1, 3", r="33.3", points=2.5, controls=False
    )
    query = dict(parse_qsl(SweepChoice.of_values(sent).query))
    assert set(query) <= set(LINK_FIELDS)
    assert sent_fields(query) == sent


@pytest.mark.parametrize(
    "field, text",
    [
        ("k", "x"),
        ("r", "101"),
        ("r", "-1"),
        ("questions", "0"),
        ("questions", "٣"),
        ("points", "1e9"),
        ("data", "/etc"),
    ],
)
def test_invalid_fields_of_a_link_count_as_absent(field, text):
    assert sent_fields({f"s_{field}": text, "s_controls": "0"}) == {"controls": False}


@pytest.mark.parametrize(
    "changed",
    [{"methods": []}, {"methods": ["no such"]}, {"methods": "fastv"}, {"data": None}, {"questions": 501}]
    + [{"questions": None}, {"points": float("nan")}, {"points": 0}],
)
def test_what_cannot_be_asked_is_refused(changed):
    with pytest.raises(InvalidInputError):
        SweepChoice.of_values(values(**changed))


@pytest.mark.parametrize("k, r", [("", "50"), ("2", "half"), ("2.5", "50"), ("2", "101"), ("٣", "50")])
def test_lists_of_other_things_than_numbers_are_refused(k, r):
    with pytest.raises(InvalidInputError):
        _ = SweepChoice(k=k, r=r).configs


def test_the_grid_and_its_controls():
    choice = SweepChoice(k="2; 3", r="50% 75")
    assert choice.configs == [PruningConfig("fastv", k, r) for k in (2, 3) for r in (0.5, 0.75)]
    assert {config.method for config in choice.control_configs} == set(CONTROLS)
    assert SweepChoice(controls=False).control_configs == []


def test_too_many_settings_are_refused():
    numbers = ", ".join(map(str, range(1, 10)))
    assert len(SweepChoice(k=numbers, r="10, 20").configs) <= MOST_CELLS
    with pytest.raises(InvalidInputError, match="81"):
        _ = SweepChoice(k=numbers, r=numbers).configs
