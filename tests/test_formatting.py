"""Numbers for people: the right unit, three digits, and ratios that cannot be read the wrong way round."""

from __future__ import annotations

import pytest

from fastv.formatting import COUNT, FLOPS, MEMORY, TIME, change, number, percent, times, unit_for


@pytest.mark.parametrize(
    "amounts, units, name",
    [
        ((0.138, 0.09), TIME, "ms"),
        ((4.2, 3.1), TIME, "ms"),
        ((12.0, 0.5), TIME, "s"),
        ((900,), MEMORY, "KiB"),
        ((3 * 2**20, 900), MEMORY, "MiB"),
        ((14e9, 13e9), MEMORY, "GiB"),
        ((2e6,), FLOPS, "MFLOPs"),
        ((8.11e9, 1e6), FLOPS, "GFLOPs"),
        ((8.1e12, 5e12), FLOPS, "TFLOPs"),
        ((576, 288), COUNT, ""),
    ],
)
def test_both_sides_share_the_unit_that_suits_the_larger(amounts, units, name):
    assert unit_for(amounts, units).name == name


@pytest.mark.parametrize(
    "value, text",
    [
        (0.1234, "0.123"),
        (1.234, "1.23"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (0.0, "0.000"),
        (0, "0"),
        (576, "576"),
        (2048, "2,048"),
    ],
)
def test_three_digits_and_no_more(value, text):
    assert number(value) == text


@pytest.mark.parametrize("fraction, text", [(0.5, "50%"), (0.537, "53.7%"), (0, "0%"), (1.0, "100%"), (0.29, "29%")])
def test_percent(fraction, text):
    assert percent(fraction) == text


def test_a_ratio_has_two_decimals_and_a_change_says_which_way():
    assert times(0.6249) == "0.62×" and change(100, 62) == "38% less"
    assert times(1.03) == "1.03×" and change(100, 103) == "3% more"
    assert change(100, 100.2) == "" and change(0, 5) == ""
