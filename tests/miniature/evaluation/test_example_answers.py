"""Recorded answers are what the shipped weights still say, and the tokens they still keep."""

from __future__ import annotations

import pytest

from fastv.evidence.example_answers import example_answers, parsed
from fastv.loading.load import load
from fastv.miniature.evaluation.example_answers import record


@pytest.mark.slow
@pytest.mark.parametrize("model, seed, k, step", [("mini-7", 61, 2, 10), ("mini-7", 7, 4, 18), ("mini-13", 35, 1, 15)])
def test_a_few_entries_recorded_anew_are_the_same(model, seed, k, step):
    kept = example_answers(model)
    made = parsed(record(load(model), kept.command, (seed,), (k,), (0.0, kept.rs[step])))
    assert made.weights == kept.weights and made.text_tokens == kept.text_tokens and made.grid == kept.grid
    for method in ("fastv", "random"):
        fresh, old = made.runs[seed, method, k], kept.runs[seed, method, k]
        assert fresh.answers == (old.answers[0], old.answers[step])
        # Rounding of other kernels may exchange two tokens of nearly the same rank.
        differing = sum(one != other for one, other in zip(fresh.kept(1), old.kept(step), strict=True))
        assert differing <= 4
