"""What a trial measures: parity is parity, and the tables of the recorded trial can be made."""

import json

import pytest

from fastv.evidence.measurements import packed
from fastv.miniature.next.evaluation.cli import parity, prunings
from fastv.miniature.next.evaluation.probe import Pruning
from fastv.miniature.next.evaluation.report import Trial, tables
from fastv.paths import ASSETS


def test_at_parity_the_larger_decoder_costs_what_the_smaller_costs():
    found = {pruning.k: pruning for pruning in parity("mini-13")}
    assert found[2].r == pytest.approx(0.406, abs=0.01)
    shares = [found[k].r for k in sorted(found)]
    assert shares == sorted(shares)  # later pruning must drop more


def test_no_pruning_is_measured_twice_and_the_weightiest_come_first():
    for twin in ("mini-7", "mini-13"):
        points, soft = prunings(twin)
        assert points[0] is None and points[1] == Pruning(2, 0.5) and len(set(points)) == len(points)
        assert set(soft) <= set(points)


@pytest.fixture
def folder(tmp_path):
    questions = {
        "tasks": ["exists", "knowledge"],
        "groups": {
            "VQA": {
                "task": [0, 1, 0, 1],
                "phrasing_seen": packed([True, True, False, False]),
                "fact_seen": packed([True, False, True, True]),
                "layout_seen": packed([True] * 4),
            }
        },
    }
    (tmp_path / "questions.json").write_text(json.dumps(questions))
    for model, marks in (("mini-7", [True, False, False, True]), ("mini-13", [True] * 4)):
        points = [
            {"pruning": None, "right": {"VQA": packed(marks)}, "share": {}},
            {
                "pruning": {"k": 2, "r": 0.4063, "ranking": "last", "proportional": False, "seed": 0},
                "right": {"VQA": packed([True, True, False, True])},
                "share": {"caption F1": 0.9},
            },
        ]
        record = {"layers": 2, "attention": {"VQA": [[0.1, 0.7, 0.2]] * 2}, "points": points}
        (tmp_path / f"exhibit-{model}.json").write_text(json.dumps(record))
    return tmp_path


def test_tables_count_what_the_records_hold(folder):
    lines = list(tables(Trial.read(folder)))
    row = next(line for line in lines if line.startswith("| **VQA**"))
    assert "50.0%" in row and "100.0%" in row and row.endswith("| 4 |")
    assert any(line.startswith("| fact not seen") and "| 0.0%" in line for line in lines)
    against = lines.index("## mini-13, at the cost of mini-7, against mini-7 without pruning")
    assert any(line.startswith("| no pruning | +50.0") for line in lines[against:])
    assert any("K=2, R=40.63%, last | +25.0" in line for line in lines[against:])


def test_the_recorded_trials_can_be_read():
    for trial in sorted((ASSETS / "next").glob("trial-*")):
        lines = list(tables(Trial.read(trial)))
        assert sum(line.startswith("## ") for line in lines) >= 8
