"""The verdict: what is certain first, and no number for a time that noise could explain."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fastv.presentation.verdict import verdict
from tests.support.comparisons import comparison, duel, pruned, run, spread


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?[%×]?", text)


@pytest.mark.parametrize(
    "made, same, said",
    [
        (comparison(), True, ["50%", "50%", "0.50×", "95%", "0.50", "0.50×", "3"]),
        (comparison(fastv=pruned(3.0, answer="six")), False, ["200%", "200%", "3.00×", "95%", "3.00", "3.00×", "3"]),
        (duel(), False, ["13", "20%", "20%", "1.20×", "95%", "1.20", "1.20×", "3"]),
        (comparison(fastv=replace(pruned(), timing=run().timing)), True, ["50%", "50%", "3"]),
    ],
)
def test_the_certain_part_comes_first_and_all_of_it_is_true(made, same, said):
    text = verdict(made)
    assert numbers(text) == said
    assert text.startswith("Same answer") == same


def test_the_same_answer_in_another_order_is_the_same():
    made = comparison(run(answer="a dog and two cups"), pruned(answer="Two cups and a dog."))
    assert verdict(made).startswith("Same answer")


def test_a_single_round_gives_no_ratio_of_times():
    sides = [
        replace(side, timing=replace(side.timing, prefill_seconds=spread(seconds)))
        for side, seconds in ((run(), 0.2), (pruned(), 0.1))
    ]
    assert "×" not in verdict(comparison(*sides))


def test_nothing_saved_is_not_listed():
    assert "%" not in verdict(comparison(run(), run())).replace("95%", "")
