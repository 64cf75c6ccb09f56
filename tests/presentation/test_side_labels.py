"""The labels of two sides: different from each other, and true of each."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from fastv.presentation.side_labels import USUAL, side_labels
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS
from tests.support.comparisons import PLAIN, PRUNED

BIG = {"model": "mini-13", "name": "mini-13"}
SETUPS = [
    replace(setup, **model)
    for setup in (
        PLAIN,
        PRUNED,
        replace(PRUNED, r=0.75),
        *(replace(PRUNED, method=name) for name in ("fastv_mean", "random", "pooling", "divprune")),
        replace(PRUNED, seed=1),
    )
    for model in ({}, BIG, {"dtype": "4bit"})
]


def test_one_model_with_and_without_is_the_usual_case():
    without, pruned = side_labels(PLAIN, PRUNED)
    assert (without, replace(pruned, detail="")) == USUAL
    assert pruned.detail == "K=2, R=50%"
    first, second = side_labels(PRUNED, PLAIN)
    assert (first.label, second.label) == (pruned.label, without.label)
    assert (first.color, second.color) == ("baseline", "fastv")


@pytest.mark.parametrize("baseline, candidate", product(SETUPS, SETUPS))
def test_labels_differ_and_are_true(baseline, candidate):
    labels = side_labels(baseline, candidate)
    assert labels[0].label != labels[1].label
    for label, setup in zip(labels, (baseline, candidate)):
        said = f"{label.label} {label.detail}"
        if setup.k is None:
            assert label.config is None
            assert "K=" not in said and "with FastV" not in said
        else:
            assert label.config == PruningConfig(setup.method, setup.k, setup.r, setup.seed)
            assert ("K=2" in said) == METHODS[setup.method].takes_k and "ithout" not in said
            assert METHODS[setup.method].label.lower() in said.lower()


@pytest.mark.parametrize("name", METHODS)
def test_a_heading_names_the_method(name):
    without, pruned = side_labels(PLAIN, replace(PRUNED, method=name))
    assert METHODS[name].label.lower() in pruned.label.lower()
    assert ("FastV" in without.label) == (name == "fastv")


@pytest.mark.parametrize(
    "sides, labels",
    [
        ((PLAIN, replace(PRUNED, **BIG)), ("mini-7", "mini-13 with FastV")),
        ((replace(PLAIN, **BIG), PRUNED), ("mini-13", "mini-7 with FastV")),
        ((PRUNED, replace(PRUNED, r=0.75)), ("With FastV, K=2, R=50%", "With FastV, K=2, R=75%")),
        ((PLAIN, replace(PRUNED, dtype="4bit")), ("mini-7 in float32", "mini-7 in 4bit with FastV")),
        ((PLAIN, replace(PLAIN, model="other/mini-7")), ("mini-7", "other/mini-7")),
    ],
)
def test_what_tells_the_sides_apart_is_said(sides, labels):
    assert tuple(label.label for label in side_labels(*sides)) == labels


def test_in_a_sentence_a_label_begins_small_unless_it_is_a_name():
    assert [label.inline for label in USUAL] == ["without FastV", "with FastV"]
    assert side_labels(PLAIN, replace(PRUNED, **BIG))[1].inline == "mini-13 with FastV"
