"""The exhibit's numbers are those of the records, and its verdicts those of the corrected tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastv.evidence import reading_order
from fastv.evidence.exhibit import Cell, exhibits
from fastv.evidence.exhibit.table import LEVEL, corrected
from fastv.evidence.findings import PAIR
from fastv.evidence.group_records import group_records
from fastv.evidence.measurements import fingerprint
from fastv.evidence.method_records import GROUPS, method_records
from fastv.families.catalogue import find
from fastv.stats import Change, holm

MADE = {one.question: one for one in exhibits()}


def table(piece: str):
    (found,) = (one for question, one in MADE.items() if piece in question)
    return found


@pytest.mark.parametrize("question", MADE)
def test_tables_are_whole_and_say_what_made_them(question):
    one = MADE[question]
    assert all(len(cells) == len(one.columns) for _, cells in one.rows)
    assert one.published and one.unit and all(command.startswith("python -m fastv.") for command in one.commands)


def test_a_verdict_is_that_of_the_corrected_test():
    changes = [Change.of([True] * 40, [number >= lost for number in range(40)]) for lost in (0, 3, 6, 12)]
    cells = corrected(changes)
    for cell, change, p in zip(cells, changes, holm([change.p for change in changes]), strict=True):
        assert cell.change == change and bool(cell.verdict) == (p < LEVEL) and cell.verdict != "better"
    assert [cell.verdict for cell in cells] == ["", "", "", "worse"]
    assert corrected([Change.of([False] * 40, [True] * 40)])[0].verdict == "better"


def test_at_equal_cost_both_answered_the_same_questions_and_no_more_flops_are_spent():
    small, big = (method_records()[model] for model in PAIR)
    one = table("answer better")
    points = {point.label: point for point in (big.unpruned, *big.at("flops", 0.5))}
    assert {label for label, _ in one.rows} == set(points)
    for label, cells in one.rows:
        point = points[label]
        difference = [after - before for before, after in zip(small.unpruned.marks, point.marks, strict=True)]
        assert cells[0].change.share == pytest.approx(sum(difference) / len(difference))
        for (group, tasks), cell in zip(GROUPS.items(), cells[1:], strict=True):
            if (big.model, group) in group_records():  # asked of questions of their own
                continue
            its = [change for change, task in zip(difference, small.tasks, strict=True) if task in tasks]
            assert cell.change.share == pytest.approx(sum(its) / len(its)), group
        assert point.method is None or point.prefill_flops <= 1.01 * small.unpruned.prefill_flops
    pruned = [cells[0].change.share for label, cells in one.rows[1:]]
    assert pruned == sorted(pruned, reverse=True)


def test_withdrawn_tokens_are_not_needed_from_the_layer_that_the_sentence_names():
    one = table("visual tokens go")
    for at, column in enumerate(one.columns):
        worse = [int(label.removeprefix("K=")) for label, cells in one.rows if cells[at].verdict == "worse"]
        assert f"{column} from layer {max(worse) + 1} of" in one.answer


def test_the_average_of_the_groups_is_their_mean():
    one = table("and on what")
    groups, (_, averages) = one.rows[:-1], one.rows[-1]
    assert [label for label, _ in groups] == list(GROUPS)
    for at, average in enumerate(averages):
        mean = sum(cells[at].change.share for _, cells in groups) / len(groups)
        assert isinstance(average, Cell) and float(average.text.replace("−", "-")) == pytest.approx(
            100 * mean, abs=0.051
        )


@pytest.mark.parametrize("model", PAIR)
def test_shares_in_reading_order_are_of_the_weights_that_are_shipped(model):
    record = json.loads((reading_order.folder() / f"{model}.json").read_text())
    assert record["weights"] == fingerprint(Path(find(model).source))
    for point in reading_order.parsed(record):
        assert len(point.shares) == reading_order.THINGS and all(0 <= share <= 1 for share in point.shares)
        if point.method == "random":
            assert all(abs(share - 0.5) < 3 * point.margin for share in point.shares)
