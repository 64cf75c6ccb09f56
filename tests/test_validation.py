"""Single values from outside: what is accepted comes back as a plain Python number, all else is refused by name."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from fastv.errors import InvalidBudgetError
from fastv.validation import fraction, one_of, real, whole

NOT_NUMBERS = [True, False, np.True_, None, "3", "", b"3", [3], (3,), {}, 3j, object(), float("nan"), np.float32("nan")]


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_come_back_as_plain_ints(value):
    checked = whole(value, "repeats", low=1, high=3)
    assert type(checked) is int
    assert json.dumps(checked) == "3"


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 3.0, 2.5, Fraction(5, 2), float("inf")])
def test_whole_refuses_all_else(value):
    with pytest.raises(ValueError, match="^repeats must be a whole number"):
        whole(value, "repeats")


def test_floats_without_a_fractional_part_are_whole_where_they_are_allowed():
    assert whole(2.0, "repeats", allow_float=True) == whole(np.float32(2), "repeats", allow_float=True) == 2
    assert type(whole(2.0, "repeats", allow_float=True)) is int
    for value in (2.5, float("nan"), float("inf"), True, "2"):
        with pytest.raises(ValueError):
            whole(value, "repeats", allow_float=True)


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), np.float64(0.25), Fraction(1, 4)])
def test_numbers_come_back_as_plain_floats(value):
    for checked in (real(value, "seconds"), fraction(value, "r")):
        assert type(checked) is float
        assert checked == 0.25


@pytest.mark.parametrize("value", [*NOT_NUMBERS, float("inf"), -float("inf"), 10**400])
def test_real_refuses_all_else(value):
    with pytest.raises(ValueError, match="^seconds must be a number"):
        real(value, "seconds")


@pytest.mark.parametrize(
    "check, inside, outside",
    [
        (lambda value: whole(value, "n", low=1, high=5), (1, 5), (0, 6)),
        (lambda value: whole(value, "n", low=0), (0, 10**30), (-1,)),
        (lambda value: whole(value, "n", high=9), (9, -9), (10,)),
        (lambda value: real(value, "n", low=-1, high=1), (-1, 1), (-1.001, 1.001)),
        (lambda value: real(value, "n", above=0), (1e-300, 5), (0, -1)),
        (lambda value: real(value, "n", above=0, high=2), (2,), (0, 2.1)),
        (lambda value: fraction(value, "n"), (0, 1, 0.5), (-1e-9, 1.0000001)),
    ],
)
def test_bounds_are_inclusive_but_for_above(check, inside, outside):
    for value in inside:
        assert check(value) == value
    for value in outside:
        with pytest.raises(ValueError, match=r"^n must be a .*number (from|of at|above) "):
            check(value)


def test_the_message_names_the_bounds_and_the_value():
    with pytest.raises(InvalidBudgetError, match="^K must be a whole number from 0 to 1,024, not 2000\\.$"):
        whole(2000, "K", low=0, high=1024, error=InvalidBudgetError)
    with pytest.raises(ValueError) as refusal:
        real("x" * 10_000, "seconds", above=0)
    assert len(str(refusal.value)) < 150


def test_choices_are_compared_with_their_type():
    assert one_of("b", "mode", ("a", "b")) == "b"
    for value in ("c", None, 1, True, ["a"]):
        with pytest.raises(InvalidBudgetError, match="^mode must be one of a, b, 0, not "):
            one_of(value, "mode", ("a", "b", 0), error=InvalidBudgetError)
