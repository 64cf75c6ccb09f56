"""Three tiles: certain amounts with their bars, and no number for a time that noise could explain."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fastv.presentation.tiles_html import KINDS, tile, tiles, tiles_of
from tests.support.comparisons import comparison, pruned, run, spread, words


def widths(html: str) -> list[float]:
    return [float(width) for width in re.findall(r"width:([\d.]+)%", html)]


def timed(first: tuple, second: tuple):
    sides = [
        replace(side, timing=replace(side.timing, prefill_seconds=spread(*seconds)))
        for side, seconds in ((run(), first), (pruned(), second))
    ]
    return comparison(*sides)


def test_bars_are_in_the_proportion_of_the_amounts():
    html = tiles(tiles_of(comparison()))
    assert widths(html) == [100, 50] * 3 and words(html).count("50% less") == 3
    more = tile(KINDS[0], 2e9, 4e9)
    assert more.bars == (50, 100) and more.headline == "100% more"


@pytest.mark.parametrize("second", [(0.05, 0.2, 0.11), (0.1, 0.1, 0.1)])
def test_an_undecided_time_has_no_ratio_and_offers_more_rounds_on_the_page(second):
    made = tiles_of(timed((0.1, 0.12, 0.08), second))
    assert (
        made[2].is_open and not made[0].is_open and not re.search(r"\d%|\d×|\d ms", made[2].headline + made[2].amounts)
    )
    assert "more-rounds" in tiles(made, more_rounds=True) and "more-rounds" not in tiles(made)
    assert "more-rounds" not in tiles(tiles_of(comparison()), more_rounds=True)


def test_a_single_round_is_open():
    assert tiles_of(timed((0.1,), (0.05,)))[2].is_open


def test_without_a_run_and_where_flops_are_unknown_nothing_is_claimed():
    assert widths(tiles()) == [0] * 6
    unknown = tiles_of(comparison(run(), replace(pruned(), prefill_flops=None)))
    assert unknown[0].bars is None and unknown[1].bars is not None
