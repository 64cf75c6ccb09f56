"""The sentences follow the data: better, worse, or "cannot be told", never more than the interval allows."""

from __future__ import annotations

import re

import pytest

from fastv.findings import findings
from fastv.kept_things import KeptThings
from fastv.measured import parsed
from measuring import record


def said(small: dict | None = None, big: dict | None = None, **changes) -> list[str]:
    found = {"mini-7": parsed(record("mini-7", **(small or {})))}
    if big is not None:
        found["mini-13"] = parsed(record("mini-13", layers=10, **big))
    return [finding.sentence for finding in findings(found, {})]


def numbers(sentence: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in re.findall(r"[+−]\d+\.\d", sentence)]


@pytest.mark.parametrize("lost, told", [(0.0, "cannot be told"), (0.02, "cannot be told"), (0.2, "It costs accuracy")])
def test_what_the_usual_budget_costs(lost, told):
    first = said({"lost": {(2, 0.5, "last_token"): lost}})[0]
    share, low, high = numbers(first)
    assert told in first and low <= share <= high and (high < 0) == (lost == 0.2)
    assert "of 200 questions right at K=2, R=50%" in first


@pytest.mark.parametrize("right, told", [(0.95, "mini-13 still answers better"), (0.4, "claim does not hold"),
                                         (0.8, "cannot be told")])
def test_who_answers_better_at_the_same_cost(right, told):
    duel = said(None, {"right": right})[2]
    # 10 layers at K=2: 2 + 8 (1 - R) is 8 or less from R=25% on; the least pruned point measured there is R=50%.
    assert told in duel and "at K=2, R=50%, 75% of it" in duel and "K=0, R=50% (at random)" in duel
    lead, loss = numbers(duel)[3], numbers(duel)[6]
    assert lead + loss == pytest.approx(numbers(duel)[0], abs=0.11)


def test_the_least_pruned_point_within_the_cost_is_compared():
    duel = said(None, {"rs": (0.2, 0.25, 0.5)})[2]
    assert "at K=2, R=25%, 100% of it" in duel


def test_where_attention_beats_chance():
    lost = {(1, 0.9, "random"): 0.3, (2, 0.9, "last_token"): 0.3}
    last = said({"lost": lost})[-1]
    of_last_token, of_mean = last.split(" And ")
    assert "is better at 1 of 4 (K, R): K=1, R=90% +" in of_last_token
    assert "is worse at 1 of 4 (K, R): K=2, R=90% −" in of_last_token
    assert of_last_token.endswith("makes no difference that can be told at the other 2.")
    assert "is better at 1 of 4 (K, R): K=1, R=90% +" in of_mean and "worse" not in of_mean
    assert said()[-1].count("at random, makes no difference that can be told at all 4 (K, R).") == 2


def test_of_many_differences_the_largest_is_named():
    lost = {(k, r, "mean"): 0.4 if (k, r) == (2, 0.5) else 0.2 for k in (1, 2) for r in (0.5, 0.9)}
    of_mean = said({"lost": lost})[-1].split(" And ")[1]
    assert "is worse at 4 of 4 (K, R), most at K=2, R=50%: −" in of_mean and of_mean.count("K=") == 1


def test_there_are_as_many_findings_as_the_data_allow():
    assert findings({}, {}) == () and len(said()) == 2 and len(said(None, {})) == 5
    apart = {"mini-7": parsed(record("mini-7")), "mini-13": parsed(record("mini-13", questions=100))}
    assert len(findings(apart, {})) == 4  # other questions: the two cannot be paired


def test_where_attention_loses_more_things_than_a_draw_is_said():
    kept = {"random": (500, 2), "last_token": (510, 60), "mean": (900, 2)}
    points = [KeptThings(k, 0.5, rank, 1000, patches if k == 2 else 950, 200, lost if k == 2 else 0)
              for k in (1, 2) for rank, (patches, lost) in kept.items()]
    sentence = findings({}, {"mini-7": points})[0].sentence
    assert "that the last token attends to most holds 95% at K=1 and 51% at K=2;" in sentence
    assert sentence.endswith("more do in what the last token attends to most (30% at K=2).")
    alike = [KeptThings(2, 0.5, rank, 1000, 500, 200, 2) for rank in kept]
    assert findings({}, {"mini-7": alike})[0].sentence.endswith("1% of the things lose nine tenths of their patches or "
                                                                "more, and nowhere clearly more do.")
    assert findings({}, {"mini-7": [KeptThings(2, 0.5, "random", 1000, 500, 200, 2)]}) == ()
