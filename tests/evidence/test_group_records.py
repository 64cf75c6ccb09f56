"""Questions of one group alone take the place of the few that the grid has, where a method was measured on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fastv.evidence.exhibit.budget import asked_most, point_at
from fastv.evidence.exhibit.pair import at_equal_cost
from fastv.evidence.exhibit.tasks import by_group
from fastv.evidence.findings import PAIR
from fastv.evidence.group_records import _all_of
from fastv.evidence.method_records import GROUPS, method_records
from fastv.stats import Change

OCR = list(GROUPS).index("OCR")


@pytest.fixture(scope="module")
def records():
    return [method_records()[model] for model in PAIR]


def alone(record, methods=("fastv", "random")):
    """A record of eight questions of OCR: all right without pruning, half of them with it."""
    points = tuple(replace(point_at(record, method), marks=(True, False) * 4, captions=()) for method in methods)
    unpruned = replace(record.unpruned, marks=(True,) * 8, captions=())
    return replace(record, command="alone", tasks=("sign",) * 8, unpruned=unpruned, points=points)


def test_the_record_with_the_most_questions_counts_where_all_methods_are_in_it(records):
    small, big = records
    groups = {(big.model, "OCR"): alone(big)}
    assert asked_most(big, groups, "OCR", "fastv", "random").command == "alone"
    for one, group, methods in ((big, "OCR", ("grid",)), (big, "VQA", ("fastv",)), (small, "OCR", ("fastv",))):
        assert asked_most(one, groups, group, *methods) is one


def test_tables_take_its_changes_and_name_its_command(records):
    small, big = records
    groups = {(one.model, "OCR"): alone(one) for one in records}
    before, after = by_group(records, {}), by_group(records, groups)
    lost = Change.of([True] * 8, [True, False] * 4).share
    of_ocr = {name: dict(zip(before.columns, cells)) for name, cells in before.rows}["OCR"]
    for column, cell in zip(after.columns, after.rows[OCR][1], strict=True):
        measured = "tokens" not in column
        assert cell.change.share == (lost if measured else of_ocr[column].change.share)
    assert set(after.commands) - set(before.commands) == {"alone"}
    pair = at_equal_cost(small, big, groups)
    rows = dict(pair.rows)
    assert rows["No pruning"][1 + OCR].change.share == 0 and rows["FastV"][1 + OCR].change.share == lost
    few = dict(at_equal_cost(small, big, {(big.model, "OCR"): alone(big)}).rows)  # the other one was not asked them
    assert few["FastV"] == dict(at_equal_cost(small, big, {}).rows)["FastV"]


def test_a_file_that_cannot_be_used_is_named(tmp_path):
    assert _all_of(tmp_path / "none") == {}
    (tmp_path / "mini-7-ocr.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"mini-7-ocr\.jsonl"):
        _all_of(tmp_path)
