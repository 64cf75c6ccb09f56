"""The sentences follow the data: better, worse, or "cannot be told", never more than the interval allows."""

from __future__ import annotations

import re

import pytest

from fastv.evidence.findings import Finding, findings
from fastv.evidence.measurements import parsed
from fastv.evidence.object_coverage import KeptThings
from tests.support.recorded_runs import record


def said(small: dict | None = None, big: dict | None = None) -> list[Finding]:
    found = {"mini-7": parsed(record("mini-7", **(small or {})))}
    if big is not None:
        found["mini-13"] = parsed(record("mini-13", layers=10, **big))
    return list(findings(found, {}, {}))


def numbers(sentence: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in re.findall(r"[+−]\d+\.\d", sentence)]


@pytest.mark.parametrize(
    "lost, told", [(0.0, "Nothing that can be told"), (0.02, "Nothing that can be told"), (0.2, "Accuracy falls")]
)
def test_what_the_usual_budget_costs(lost, told):
    first = said({"lost": {(2, 0.5, "fastv"): lost}})[0]
    share, low, high = numbers(first.sentence)
    assert first.sentence.startswith(told) and low <= share <= high and (high < 0) == (lost == 0.2)
    assert "of 200 questions right, " in first.sentence and "K=2, R=50%" in first.question


@pytest.mark.parametrize(
    "right, told", [(0.95, "mini-13 still answers better"), (0.4, "claim does not hold"), (0.8, "cannot be told")]
)
def test_who_answers_better_at_the_same_cost(right, told):
    duel = said(None, {"right": right})[2]
    # 10 layers at K=2: 2 + 8 (1 - R) is 8 or less from R=25% on; the least pruned point measured there is R=50%.
    assert duel.sentence.startswith("At K=2, R=50%; ") and told in duel.sentence
    assert "is 75% of mini-7's there" in duel.detail and "K=0, R=50% (at random)" in duel.detail
    lead, loss = numbers(duel.detail)[0], numbers(duel.detail)[3]
    assert lead + loss == pytest.approx(numbers(duel.sentence)[0], abs=0.11)


def test_the_least_pruned_point_within_the_cost_is_compared():
    duel = said(None, {"rs": (0.2, 0.25, 0.5)})[2]
    assert duel.sentence.startswith("At K=2, R=25%; ") and "is 100% of mini-7's there" in duel.detail


def test_where_else_one_of_the_two_is_ahead_at_that_cost_is_said():
    lost = {(1, 0.5, "fastv"): 0.0, (2, 0.5, "fastv"): 0.15, (0, 0.5, "random"): 0.6}
    duel = said(None, {"right": 0.95, "lost": lost})[2]
    assert "cannot be told" in duel.sentence
    assert duel.sentence.endswith(
        "At the same cost mini-13 answers better at K=1, R=50%, and mini-7 answers better at K=0, R=50% (at random)."
    )


def test_the_duel_is_fought_over_the_many_questions_where_there_are_some():
    found, many = (
        {
            "mini-7": parsed(record("mini-7", questions=asked)),
            "mini-13": parsed(record("mini-13", questions=asked, layers=10)),
        }
        for asked in (200, 1500)
    )
    assert "of 1,500 questions" in findings(found, {}, many)[2].sentence
    assert "of 200 questions" in findings(found, {}, {"mini-7": many["mini-7"]})[2].sentence
    assert "of 1,500 questions" in findings({}, {}, many)[0].sentence


def test_where_attention_beats_chance():
    lost = {(1, 0.9, "random"): 0.3, (2, 0.9, "fastv"): 0.3}
    last = said({"lost": lost})[-1]
    assert (
        "at 4 (K, R): ranking by the last token's attention wins at 1, loses at 1, and cannot be told" in last.sentence
    )
    assert last.sentence.endswith(
        "ranking by all tokens' attention wins at 1, loses at 0, and cannot be told from it at 3."
    )
    assert "By the last token's attention, better: K=1, R=90% +" in last.detail
    assert "By the last token's attention, worse: K=2, R=90% −" in last.detail
    assert "By all tokens' attention, better: K=1, R=90% +" in last.detail and last.detail.count("worse") == 1
    alike = said()[-1]
    assert alike.sentence.count("wins at 0, loses at 0, and cannot be told from it at 4") == 2 and alike.detail == ""


def test_there_are_as_many_findings_as_the_data_allow():
    assert findings({}, {}, {}) == () and len(said()) == 2 and len(said(None, {})) == 5
    apart = {"mini-7": parsed(record("mini-7")), "mini-13": parsed(record("mini-13", questions=100))}
    assert len(findings(apart, {}, {})) == 4  # other questions: the two cannot be paired


def test_where_attention_loses_more_things_than_a_draw_is_said():
    kept = {"random": (500, 2), "fastv": (510, 60), "fastv_mean": (900, 2)}
    points = [
        KeptThings(k, 0.5, method, 1000, patches if k == 2 else 950, 200, lost if k == 2 else 0)
        for k in (1, 2)
        for method, (patches, lost) in kept.items()
    ]
    (found,) = findings({}, {"mini-7": points}, {})
    assert "that the last token attends to most holds 95% at K=1 and 51% at K=2; " in found.sentence
    assert found.detail.endswith("more do in what the last token attends to most (30% at K=2).")
    alike = [KeptThings(2, 0.5, method, 1000, 500, 200, 2) for method in kept]
    assert findings({}, {"mini-7": alike}, {})[0].detail.endswith("and nowhere clearly more do.")
    assert findings({}, {"mini-7": [KeptThings(2, 0.5, "random", 1000, 500, 200, 2)]}, {}) == ()
