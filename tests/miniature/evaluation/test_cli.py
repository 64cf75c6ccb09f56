import json
import sys

import pytest

from fastv.evidence.measurements import read_document
from fastv.miniature.evaluation import cli, grid
from fastv.miniature.evaluation.dataset import benchmark
from fastv.miniature.evaluation.scoring import is_right, merged, scores
from fastv.miniature.world.questions import Question

pytestmark = pytest.mark.slow


def test_a_description_may_name_things_in_any_order_but_must_name_all():
    truth = Question("Describe the picture.", "a dog, two cups and a sign on a red background", "describe", True)
    assert is_right(truth, "two cups, a sign and a dog on a red background")
    assert not is_right(truth, "two cups and a dog on a red background")
    assert not is_right(truth, "a dog, two cups and a sign on a blue background")
    assert not is_right(truth, "a dog, two cups, a sign and a sign on a red background")


def test_short_answers_must_be_exact_but_for_case_and_full_stop():
    truth = Question("Where is the dog?", "top left", "where", True)
    assert is_right(truth, " Top left.") and not is_right(truth, "left")


def test_the_benchmark_is_fixed_and_covers_what_training_never_saw():
    items = benchmark(24)
    assert [item.question for item in items] == [item.question for item in benchmark(24)]
    found = scores(items, [item.question.seen for item in items])
    assert found["phrasing seen"].share == 1 and found["phrasing unseen"].share == 0
    assert {"layout seen", "layout unseen", "all"} <= set(found)


def test_scenes_taken_some_at_a_time_are_those_taken_at_once_and_score_alike():
    items = benchmark(12)
    marks = [index % 3 == 0 for index in range(len(items))]
    parts = [benchmark(5), benchmark(7, first=5)]
    assert [item.question for part in parts for item in part] == [item.question for item in items]
    cut = len(parts[0])
    assert merged([scores(parts[0], marks[:cut]), scores(parts[1], marks[cut:])]) == scores(items, marks)


def test_fewer_questions_are_the_first_of_more():
    assert [item.question for item in benchmark(6, 1)] == [item.question for item in benchmark(6)][::3]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
    cli.main()


def test_the_command_prints_scores_and_writes_them(monkeypatch, tmp_path, capsys):
    run(monkeypatch, "mini-7", "--scenes", 4, "-k", 2, "--json", tmp_path / "scores.json")
    record = json.loads((tmp_path / "scores.json").read_text())
    assert record["scores"]["all"]["asked"] == 12 and (record["k"], record["r"]) == (2, 0.5)
    assert "n=12" in capsys.readouterr().out


def test_many_scenes_are_answered_some_at_a_time(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli, "SCENES", 3)
    run(monkeypatch, "mini-7", "--scenes", 4, "--json", tmp_path / "scores.json")
    record = json.loads((tmp_path / "scores.json").read_text())
    out = capsys.readouterr().out
    assert record["scores"]["all"]["asked"] == 12 and record["scenes"] == 4
    assert "scenes 0 to 2:" in out and "scenes 3 to 3:" in out


def test_the_grid_command_goes_on_where_it_was_ended(monkeypatch, tmp_path, capsys):
    points = grid.grid((2,), (0.5,))
    monkeypatch.setattr(cli, "grid", lambda methods: points[:2])
    options = ("mini-7", "--grid", "--scenes", 4, "--repeats", 1, "--json", tmp_path / "mini-7.jsonl")
    run(monkeypatch, *options)
    assert capsys.readouterr().out.count("first-token time") == 1
    monkeypatch.setattr(cli, "grid", lambda methods: points)
    run(monkeypatch, *options)
    out = capsys.readouterr().out
    assert out.count("first-token time") == 2 and "K=2 R=50% random" in out and "Right per task" in out
    record = read_document(tmp_path / "mini-7.jsonl")
    assert len(record["points"]) == 4 and record["command"].endswith("--grid --scenes 4 --questions 1 --repeats 1")


def test_the_duel_asks_about_other_scenes_than_the_grid_does(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "DUEL_SCENES", 4)
    asked = []
    monkeypatch.setattr(
        cli, "benchmark", lambda *given, **named: asked.extend(found := benchmark(*given, **named)) or found
    )
    run(monkeypatch, "mini-7", "--duel", "mini-7", "--repeats", 1, "--json", tmp_path / "mini-7.jsonl")
    record = read_document(tmp_path / "mini-7.jsonl")
    assert [point["k"] for point in record["points"]] == [None] and len(record["tasks"]) == 4
    assert [item.scene.seed for item in asked] == list(range(1000, 1004)) and record["command"].endswith(
        "--duel mini-7 --repeats 1"
    )
