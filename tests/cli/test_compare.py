"""``fastv compare`` and ``fastv sweep``, with the smaller miniature."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastv.cli.main import run
from fastv.paths import ASSETS
from fastv.pruning.methods.registry import METHODS
from fastv.sweep.controls import CONTROLS

pytestmark = pytest.mark.slow

SCENE, QUESTIONS = str(ASSETS / "examples" / "scene.png"), str(ASSETS / "examples" / "questions.csv")
ROOT = str(Path(__file__).parents[2])
QUICK = ["--max-new-tokens", "4", "--repeats", "1"]


def test_both_answers_and_their_costs_as_json(capsys):
    assert run(["compare", SCENE, "How many animals are there?", "-k", "1", "-r", "0.25", *QUICK, "--json"]) == 0
    streams = capsys.readouterr()
    told = json.loads(streams.out)
    assert (told["model"], told["k"], told["r"]) == ("mini-7", 1, 0.25)
    assert (told["baseline"]["visual_tokens"], told["fastv"]["visual_tokens"]) == (576, 432)
    assert told["fastv"]["prefill_flops"] < told["baseline"]["prefill_flops"]
    assert told["baseline"]["answer"]
    assert streams.err == ""  # progress is for terminals only


def test_both_answers_as_text(capsys):
    assert run(["compare", SCENE, "How many animals are there?", *QUICK]) == 0
    told = capsys.readouterr().out
    assert "576" in told
    assert "288" in told
    assert "R=50%" in told


def test_the_other_side_may_be_another_model_pruned_too(capsys):
    other = ["--baseline-model", "mini-13", "--baseline-k", "2", "--baseline-r", "0.75", "--baseline-method", "random"]
    other += ["--proportional", "--baseline-positions", "close"]
    assert run(["compare", SCENE, "How many animals are there?", *other, *QUICK, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [told[side]["model"] for side in ("baseline", "fastv")] == ["mini-13", "mini-7"]
    assert told["baseline"]["visual_tokens"] == 144
    assert [told[side]["method"] for side in ("baseline", "fastv")] == ["random", "fastv"]
    assert [told[side]["proportional"] for side in ("baseline", "fastv")] == [False, True]
    assert [told[side]["positions"] for side in ("baseline", "fastv")] == ["close", "keep"]


def test_a_report_is_written_beside_the_result(tmp_path, capsys):
    report = tmp_path / "report.html"
    assert run(["compare", SCENE, "How many animals are there?", *QUICK, "--report", str(report)]) == 0
    assert "How many animals are there?" in report.read_text()
    assert (
        run(["compare", SCENE, "How many animals are there?", *QUICK, "--report", str(tmp_path / "no" / "x.html")]) == 1
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-file.png", "What is it?"],
        [SCENE, ""],
        [SCENE, "What is it?", "-k", "99"],
        [SCENE, "What is it?", "-r", "2"],
        [SCENE, "What is it?", "--method", "no-such-method"],
        [SCENE, "What is it?", "--model", "no-such-model"],
        [SCENE, "What is it?", "--repeats", "0"],
        [str(ASSETS / "examples" / "clip.mp4"), "What moves?", "--video"],  # the miniatures read images only
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(arguments, capsys):
    assert run(["compare", *arguments]) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.strip().splitlines()) == 1


def test_a_sweep_prints_a_row_for_every_setting_and_resumes(tmp_path, capsys):
    record = tmp_path / "sweep.jsonl"
    command = ["sweep", "mini-7", QUESTIONS, "-k", "1", "2", "-r", "0.5", "--limit", "2", "--output", str(record)]
    command += ["--methods", "fastv", "--no-controls", "--timed", "1", "--lose-at-most", "30"]
    assert run([*command, "--answer-tokens", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["questions"] == 2
    assert told["recommendation"]["tolerance"] == 0.3
    assert [row["prefill_ratio"]["rounds"] for row in told["rows"]] == [1, 1, 1]
    assert [(row["k"], row["r"]) for row in told["rows"]] == [(None, 0.0), (1, 0.5), (2, 0.5)]
    assert told["problems"] == []
    written = record.read_bytes()
    assert run([*command, "--answer-tokens", "4"]) == 0
    assert record.read_bytes() == written
    assert str(record) in capsys.readouterr().out


def test_a_sweep_of_nothing_is_refused(tmp_path, capsys):
    assert run(["sweep", "mini-7", str(tmp_path / "none.csv"), "--output", str(tmp_path / "out.jsonl")]) == 1
    assert run(["sweep", "mini-7", QUESTIONS, "-k", "99", "--output", str(tmp_path / "out.jsonl")]) == 1
    assert run(["sweep", "mini-7", QUESTIONS, "--limit", "0", "--output", str(tmp_path / "out.jsonl")]) == 1
    assert run(["sweep", "mini-7", QUESTIONS, "--limit", "1", "--output", str(tmp_path / "no" / "out.jsonl")]) == 1


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--answer-tokens", "0"], "answer tokens"),
        (["--answer-tokens", "-3"], "answer tokens"),
        (["-r", "2"], "r"),
        (["-k", "-1"], "k"),
        (["--methods", "none_such"], "none_such"),
        (["--batch", "0"], "batch"),
        (["--lose-at-most", "0"], "lost"),
    ],
)
def test_settings_of_a_sweep_are_refused_before_a_model_is_loaded(arguments, told, tmp_path, monkeypatch, capsys):
    from fastv.loading import load

    monkeypatch.setattr(load, "load", lambda *a, **k: pytest.fail("a model was loaded"))
    assert run(["sweep", "mini-7", QUESTIONS, *arguments, "--output", str(tmp_path / "out.jsonl")]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_bad_rows_are_left_out_listed_and_counted_or_refused(tmp_path, capsys):
    controls = [name for name in CONTROLS if name in METHODS]
    path, output = tmp_path / "mine.csv", ["--output", str(tmp_path / "out.jsonl")]
    path.write_text(f"picture,question,note\n{SCENE},How many animals are there?,x\nnone.png,How many?,x\n")
    assert run(["sweep", "mini-7", str(path), *output, "--no-skip-bad-rows"]) == 1
    assert "line 3" in capsys.readouterr().err
    command = [
        "sweep",
        "mini-7",
        str(path),
        *output,
        "--answer-tokens",
        "2",
        "--rank",
        "mean",
        "--answers-only",
    ]
    assert run(command) == 0
    told = capsys.readouterr()
    for stream in (told.err, told.out):  # before the sweep, and beneath its tables
        assert "1 of 2 rows" in stream
        assert "line 3" in stream
    assert "note" in told.out
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["line"] for row in told["bad_rows"]] == [3]
    assert [row["method"] for row in told["rows"]] == [None, "fastv_mean", *controls]
    assert [row["control"] for row in told["rows"]] == [False, False] + [True] * len(controls)
    assert all(row["prefill_ratio"] is None for row in told["rows"])
    assert run([*command, "--json", "--no-controls"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 2


def test_the_module_is_the_same_command(tmp_path):
    command = [sys.executable, "-m", "fastv.sweep", "mini-7", QUESTIONS, "--answer-tokens", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ROOT})
    assert done.returncode == 1
    assert "answer tokens" in done.stderr
    assert "Traceback" not in done.stderr
