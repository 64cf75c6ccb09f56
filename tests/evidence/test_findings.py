"""The findings follow the data: their numbers, who is ahead, and no significance that chance alone would give."""

from __future__ import annotations

import random
import re

import pytest

from fastv.evidence.findings import Comparisons, Finding, findings
from fastv.evidence.measurements import parsed
from fastv.evidence.object_coverage import KeptThings
from fastv.formatting import percent, points
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Change
from tests.support.recorded_runs import record

LABELS = {name: METHODS[name].label for name in METHODS}


def found_for(small: dict | None = None, big: dict | None = None) -> list[Finding]:
    found = {"mini-7": parsed(record("mini-7", **(small or {})))}
    if big is not None:
        found["mini-13"] = parsed(record("mini-13", layers=10, **big))
    return list(findings(found, {}, {}))


def changes(sentence: str) -> list[float]:
    """Changes in points, with the ends of their intervals."""
    return [float(number.replace("−", "-")) for number in re.findall(r"[+−]\d+\.\d", sentence)]


@pytest.mark.parametrize("lost", [0.0, 0.02, 0.2])
def test_what_the_usual_setting_costs(lost):
    settings = {"lost": {(2, 0.5, "fastv"): lost}}
    one = parsed(record("mini-7", **settings))
    first = found_for(settings)[0]
    change = one.change(one.point(2, 0.5))
    share, low, high = changes(first.sentence)
    assert (share, low, high) == tuple(round(100 * value, 1) for value in (change.share, change.low, change.high))
    assert ("No significant" in first.sentence) == (low <= 0 <= high) == (lost < 0.2)
    assert percent(one.score(one.unpruned).share) in first.sentence and "200 questions" in first.sentence
    assert "K=2, R=50%" in first.question


def test_the_tasks_that_pay_are_named():
    one = parsed(record("mini-7", lost={(2, 0.5, "fastv"): 0.5}))
    first = found_for({"lost": {(2, 0.5, "fastv"): 0.5}})[0]
    for task in set(one.tasks):
        change = one.change(one.point(2, 0.5), task)
        assert (f"{task} {points(change.share)}" in first.detail) == (change.p < 0.05 / 3)


@pytest.mark.parametrize("right, answer", [(0.95, "Yes"), (0.4, "No:"), (0.8, "No significant")])
def test_who_answers_better_at_the_same_cost(right, answer):
    finding = found_for(None, {"right": right})[2]
    # 10 layers at K=2: 2 + 8 (1 - R) is 8 or less from R=25% on; the least pruned point measured there is R=50%.
    assert finding.sentence.startswith(answer) and "K=2, R=50%" in finding.sentence
    assert "75% of mini-7's" in finding.detail
    lead, loss = changes(finding.detail)[0], changes(finding.detail)[3]
    assert lead + loss == pytest.approx(changes(finding.sentence)[0], abs=0.11)


def test_the_least_pruned_point_within_the_cost_is_compared():
    finding = found_for(None, {"rs": (0.2, 0.25, 0.5)})[2]
    assert "K=2, R=25%" in finding.sentence and "100% of mini-7's" in finding.detail


def test_where_else_one_of_the_two_is_ahead_at_that_cost_is_said():
    lost = {(1, 0.5, "fastv"): 0.0, (2, 0.5, "fastv"): 0.15, (0, 0.5, "random"): 0.6}
    finding = found_for(None, {"right": 0.95, "lost": lost})[2]
    assert finding.sentence.startswith("No significant")
    elsewhere = finding.sentence.split("other K")[1]
    assert re.search("mini-13 is .*K=1, R=50%.*mini-7 is .*K=0, R=50%", elsewhere)


def test_the_pair_is_compared_over_the_many_questions_where_there_are_some():
    found, many = (
        {
            "mini-7": parsed(record("mini-7", questions=asked)),
            "mini-13": parsed(record("mini-13", questions=asked, layers=10)),
        }
        for asked in (200, 1500)
    )
    assert "1,500 questions" in findings(found, {}, many)[2].sentence
    assert "200 questions" in findings(found, {}, {"mini-7": many["mini-7"]})[2].sentence
    assert "1,500 questions" in findings({}, {}, many)[0].sentence


def counts(sentence: str, label: str) -> list[int]:
    """Better, of all, worse, no difference: as one method's part of the sentence says."""
    part = next(part for part in sentence.split("; ") if part.startswith(f"{label}:"))
    return [int(number) for number in re.findall(r"\d+", part)]


def test_where_attention_beats_random():
    lost = {(1, 0.9, "random"): 0.3, (2, 0.9, "fastv"): 0.3}
    last = found_for({"lost": lost})[-1]
    assert counts(last.sentence, LABELS["fastv"]) == [1, 4, 1, 2]
    assert counts(last.sentence, LABELS["fastv_mean"]) == [1, 4, 0, 3]
    assert last.detail.count("K=1, R=90% +") == 2
    assert last.detail.count("K=2, R=90% −") == 1
    alike = found_for()[-1]
    assert counts(alike.sentence, LABELS["fastv"]) == [0, 4, 0, 4] and alike.detail == ""


def test_several_comparisons_are_corrected_for_their_number():
    weak = Change.of([True] * 9 + [False] * 200, [False] * 9 + [True] * 22 + [False] * 178)
    assert 0.01 < weak.p < 0.05
    same = Change.of([True, False], [True, False])
    assert [name for name, _ in Comparisons((("weak", weak),)).better] == ["weak"]
    among = Comparisons((("weak", weak), *((f"same {index}", same) for index in range(9))))
    assert among.significant == [] and among.better == among.worse == []


def test_chance_alone_is_rarely_called_significant():
    """Of many families of comparisons without any difference, about one in twenty has a finding; not most of them."""
    rng, called = random.Random(0), 0
    for _ in range(150):
        family = []
        for index in range(16):
            pairs = [(rng.random() < 0.8, rng.random() < 0.8) for _ in range(60)]
            family.append((str(index), Change.of(*zip(*pairs))))
        called += bool(Comparisons(tuple(family)).significant)
    assert called / 150 < 0.1


def test_there_are_as_many_findings_as_the_data_allow():
    assert findings({}, {}, {}) == () and len(found_for()) == 2 and len(found_for(None, {})) == 5
    apart = {"mini-7": parsed(record("mini-7")), "mini-13": parsed(record("mini-13", questions=100))}
    assert len(findings(apart, {}, {})) == 4  # other questions: the two cannot be paired


def test_where_attention_loses_more_objects_than_random():
    kept = {"random": (500, 2), "fastv": (510, 60), "fastv_mean": (900, 2)}
    listed = [
        KeptThings(k, 0.5, method, 1000, patches if k == 2 else 950, 200, lost if k == 2 else 0)
        for k in (1, 2)
        for method, (patches, lost) in kept.items()
    ]
    (finding,) = findings({}, {"mini-7": listed}, {})
    assert f"{LABELS['fastv']} 95% at K=1 and 51% at K=2" in finding.sentence
    assert f"{LABELS['fastv']} (30% at K=2)" in finding.detail
    assert f"{LABELS['fastv_mean']} (" not in finding.detail
    alike = [KeptThings(2, 0.5, method, 1000, 500, 200, 2) for method in kept]
    assert "(" not in findings({}, {"mini-7": alike}, {})[0].detail
    assert findings({}, {"mini-7": [KeptThings(2, 0.5, "random", 1000, 500, 200, 2)]}, {}) == ()


def test_every_finding_of_the_records_is_plain_text():
    for finding in findings():
        text = f"{finding.question} {finding.sentence} {finding.detail}"
        assert "<" not in text and "None" not in text
        assert finding.sentence.endswith(".")
