"""``fastv sweep``: the data, the score and the files that its arguments ask for."""

from __future__ import annotations

import json

import pytest

from fastv.cli.main import run
from fastv.miniature.world.scenes import scene


@pytest.fixture
def table(tmp_path):
    scene(1).picture.save(tmp_path / "one.png")
    colour = scene(1).colour
    rows = [
        {"photo": "one.png", "question": "What colour is the background?", "options": ["plaid", colour], "index": 1},
        {"photo": "one.png", "question": "What colour is the background?", "index": colour},
        {"photo": "none.png", "question": "What?", "index": 0},
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_columns_scores_bad_rows_and_reports(table, tmp_path, capsys):
    arguments = ["sweep", "mini-7", str(table), "-k", "2", "-r", "0.5", "--answer-tokens", "4"]
    arguments += ["--columns", "image=photo", "answer=index", "--output", str(tmp_path / "sweep.jsonl"), "--json"]
    arguments += [
        "--no-controls",
        "--answers-only",
        "--report",
        str(tmp_path / "a.html"),
        str(tmp_path / "a.csv"),
        "--score",
    ]
    found = {}
    for score in ("choice", "vqa"):
        assert run([*arguments, score]) == 0
        found[score] = json.loads(capsys.readouterr().out)
        assert [row["line"] for row in found[score]["bad_rows"]] == [3]
        assert "none.png" in (tmp_path / "a.html").read_text()
    rows = {score: data["rows"][0]["right"] for score, data in found.items()}
    assert rows["vqa"]["asked"] == rows["choice"]["asked"] == 2
    assert rows["vqa"]["right"] >= 1  # the colour itself; the same answers are scored in another way
    assert len((tmp_path / "a.csv").read_text().splitlines()) >= 3


@pytest.mark.parametrize(
    "wrong",
    [["--score", "bleu"], ["--report", "a.docx"], ["--columns", "image=absent"], ["--columns", "colour=photo"]],
)
def test_wrong_choices_are_refused_before_a_model_is_loaded(table, tmp_path, monkeypatch, capsys, wrong):
    monkeypatch.setattr("fastv.loading.load.load", lambda *_, **__: pytest.fail("loaded"))
    columns = [] if "--columns" in wrong else ["--columns", "image=photo", "answer=index"]
    assert run(["sweep", "mini-7", str(table), *columns, *wrong]) == 1
    assert capsys.readouterr().err.strip()
