"""The names of two sides: different from each other, and true of each."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest

from fastv.presentation.side_labels import USUAL, titles
from tests.support.comparisons import PLAIN, PRUNED

BIG = {"model": "mini-13", "name": "Mini 13"}
SETUPS = [
    replace(setup, **model)
    for setup in (PLAIN, PRUNED, replace(PRUNED, r=0.75), replace(PRUNED, method="fastv_mean"), replace(PRUNED, seed=1))
    for model in ({}, BIG, {"dtype": "4bit"})
]


def test_one_model_with_and_without_is_the_usual_case():
    (without, with_), (first, second) = titles(PLAIN, PRUNED), titles(PRUNED, PLAIN)
    assert (without, replace(with_, note="")) == USUAL and with_.note == "K=2, R=50%"
    assert (first, second) == (with_, without)


@pytest.mark.parametrize("baseline, fastv", product(SETUPS, SETUPS))
def test_titles_differ_and_are_true(baseline, fastv):
    names = titles(baseline, fastv)
    for field in ("text", "how", "subject", "short"):
        assert len({getattr(title, field) for title in names}) == 2 and all(getattr(title, field) for title in names)
    for title, side in zip(names, (baseline, fastv)):
        said = " ".join(getattr(title, field.name) for field in fields(title) if field.name not in ("place", "short"))
        assert ("with FastV" in said or "and FastV" in said) == (side.k is not None) or "without FastV" in said
        if side.k is None:
            assert "K=" not in said and ("FastV" not in title.text or "Without FastV" in title.text)
        else:
            assert "FastV" in title.text and "ithout" not in said and "K=2" in said


@pytest.mark.parametrize(
    "sides, texts",
    [
        ((PLAIN, replace(PRUNED, **BIG)), ("Mini 7", "Mini 13 with FastV")),
        ((replace(PLAIN, **BIG), PRUNED), ("Mini 13", "Mini 7 with FastV")),
        ((PRUNED, replace(PRUNED, **BIG)), ("Mini 7 with FastV", "Mini 13 with FastV")),
        ((PRUNED, replace(PRUNED, r=0.75)), ("FastV at K=2, R=50%", "FastV at K=2, R=75%")),
        ((PLAIN, PLAIN), ("Without FastV", "Without FastV, again")),
        ((PRUNED, PRUNED), ("FastV at K=2, R=50%", "FastV at K=2, R=50%, again")),
        ((PLAIN, replace(PRUNED, dtype="4bit")), ("Mini 7 in float32", "Mini 7 in 4bit with FastV")),
        ((PLAIN, replace(PLAIN, model="other/mini-7")), ("mini-7", "other/mini-7")),
    ],
)
def test_what_tells_the_sides_apart_is_said(sides, texts):
    assert tuple(title.text for title in titles(*sides)) == texts
