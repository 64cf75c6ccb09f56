"""The leaderboard: every entry can be used, and its table says what the entry says."""

from __future__ import annotations

import copy
import json

import pytest

from fastv.errors import InvalidInputError
from fastv.pruning.methods.registry import METHODS
from scripts import leaderboard_blocks

ENTRIES = leaderboard_blocks.entries()


def without(*names):
    return lambda entry: [entry.pop(name) for name in names]


def kept(test):
    return lambda entry: entry.update(rows=[row for row in entry["rows"] if test(row)])


@pytest.mark.parametrize(
    "spoil",
    [
        without("machine"),
        without("data", "dtype"),
        lambda entry: entry.update(questions=20),
        kept(lambda row: row["method"]),
        kept(lambda row: not row.get("control")),
        lambda entry: entry["rows"][-1].update(method="magic"),
        lambda entry: entry["rows"][-1].update(change=None),
    ],
)
def test_an_entry_that_cannot_be_compared_is_refused_by_its_name(spoil, tmp_path):
    entry = copy.deepcopy(ENTRIES[0])
    spoil(entry)
    (tmp_path / "mine.json").write_text(json.dumps(entry))
    with pytest.raises(InvalidInputError, match=r"^mine\.json: "):
        leaderboard_blocks.entries(tmp_path)


def test_what_is_no_json_is_refused_by_its_name(tmp_path):
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"^mine\.json: "):
        leaderboard_blocks.entries(tmp_path)


def test_every_row_of_every_entry_has_its_line_best_first_within_a_budget():
    text = leaderboard_blocks.leaderboard()
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == len(ENTRIES) > 0
    lines = [line for table in tables for line in table.splitlines()[3:]]
    assert len(lines) == sum(1 for entry in ENTRIES for row in entry["rows"] if row["method"])
    for table in tables:
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[3:]]
        assert {row[0].removesuffix(" (control)") for row in rows} <= {method.label for method in METHODS.values()}
        for budget in {row[2] for row in rows}:
            changes = [float(row[6].split(" (")[0].replace("−", "-")) for row in rows if row[2] == budget]
            assert changes == sorted(changes, reverse=True)
