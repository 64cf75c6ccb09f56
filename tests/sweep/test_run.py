"""A sweep over somebody's own questions: true to single runs, resumable, and never mixing what does not belong together."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.inputs.question_csv import Item
from fastv.loading.load import load
from fastv.measurement.compare import Comparison, compare
from fastv.miniature.world.scenes import scene
from fastv.pruning.config import PruningConfig
from fastv.sweep import run

BUDGETS = [PruningConfig("fastv", 2, 0.0), PruningConfig("fastv", 2, 0.75), PruningConfig("fastv", 0, 1.0)]


@pytest.fixture(scope="module")
def mini():
    return load("mini-7")


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for seed in (1, 2):
        scene(seed).picture.save(folder / f"{seed}.png")
        made += [
            Item(
                folder / f"{seed}.png",
                "What colour is the background?",
                ("no colour", scene(seed).colour.capitalize() + "."),
            ),
            Item(folder / f"{seed}.png", "How many animals are there?"),
        ]
    return made


@pytest.fixture(scope="module")
def whole(mini, items, tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "sweep.jsonl"
    return path, run.sweep(mini, items, BUDGETS, path)


def test_each_answer_is_that_of_a_single_run(mini, items, whole):
    for item, record in zip(items, whole[1]):
        *_, single = compare(mini, item.picture, item.question, k=2, r=0.75, repeats=1, max_new_tokens=32)
        assert isinstance(single, Comparison)
        assert [record["answers"][0], record["answers"][2]] == [single.baseline.answer, single.fastv.answer]
        assert [record["flops"][0], record["flops"][2]] == [single.baseline.total_flops, single.fastv.total_flops]
        assert record["answers"][0] == record["answers"][1] and len(record["tokens"]) == 4
        assert all(0 < first <= last for first, last in zip(record["prefill_seconds"], record["total_seconds"]))


def test_the_table_counts_what_the_records_say(items, whole):
    plain, nothing, pruned, all_ = run.table(items, BUDGETS, whole[1])
    assert plain.right.asked == 2 and plain.right.right == 2  # backgrounds are what the miniature knows best
    assert nothing.same.share == 1 and nothing.change.share == 0 and nothing.flops == 1
    assert pruned.flops < 1 and all_.method == "random" and all_.k == 0
    same = [record["answers"][0] == record["answers"][3] for record in whole[1]]
    assert (all_.same.right, all_.same.asked) == (sum(same), 4)
    text = run.as_markdown([plain, nothing, pruned, all_])
    assert "| K=0, R=100%, random | " in text and len({line.count("|") for line in text.splitlines()}) == 1


def test_an_interrupted_sweep_goes_on_where_it_was(mini, items, whole, tmp_path, monkeypatch):
    path, asked = tmp_path / "sweep.jsonl", []
    lines = whole[0].read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:40])  # the third record was being written
    monkeypatch.setattr(run, "_asked", lambda loaded, item, *_: asked.append(item) or whole[1][items.index(item)])
    assert run.sweep(mini, items, BUDGETS, path) == whole[1]
    assert asked == [items[2], items[2], items[3]] and path.read_text() == whole[0].read_text()


def test_a_file_of_an_older_version_goes_on(mini, items, whole, tmp_path, monkeypatch):
    """What is now ``method`` was ``rank``, and "fastv" was "last_token"."""
    header, *lines = whole[0].read_text().splitlines(keepends=True)
    old = json.loads(header)
    for one in old["budgets"]:
        assert one.pop("method") == "fastv"
        one["rank"] = "last_token"
    path, asked = tmp_path / "sweep.jsonl", []
    path.write_text(json.dumps(old) + "\n" + "".join(lines[:3]))
    monkeypatch.setattr(run, "_asked", lambda loaded, item, *_: asked.append(item) or whole[1][items.index(item)])
    assert run.sweep(mini, items, BUDGETS, path) == whole[1]
    assert set(map(items.index, asked)) == {3}


def test_files_of_something_else_are_refused_and_left_alone(mini, items, whole, tmp_path):
    path = tmp_path / "sweep.jsonl"
    for text, told in (
        (whole[0].read_text(), "budgets"),
        ("not JSON\n", "no sweep"),
        ("[1]\n", "no sweep"),
        ("\n", "no sweep"),
    ):
        path.write_text(text)
        with pytest.raises(InvalidInputError, match=told):
            run.sweep(mini, items, BUDGETS[:2], path)
        assert path.read_text() == text
    with pytest.raises(InvalidInputError, match="questions"):
        run.sweep(mini, items[:3], BUDGETS, whole[0])
    with pytest.raises(InvalidInputError, match="budgets"):
        run.sweep(mini, items, [*BUDGETS[:2], PruningConfig("fastv", 0, 1.0, seed=1)], whole[0])
    other = Item(tmp_path / "1.png", items[0].question, items[0].answers)
    scene(3).picture.save(other.picture)
    with pytest.raises(InvalidInputError, match="questions"):
        run.sweep(mini, [other, *items[1:]], BUDGETS, whole[0])
    with pytest.raises(InvalidBudgetError):
        run.sweep(mini, items, [PruningConfig("fastv", 8, 0.5)], path)


def test_a_question_that_cannot_be_asked_is_told_and_the_others_go_on(mini, items, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = Item(tmp_path / "broken.png", "How many?", ("two",))
    records = run.sweep(mini, [broken, items[0]], BUDGETS[:1], tmp_path / "sweep.jsonl")
    assert "not a picture" in records[0]["problem"] and records[1]["answers"]
    assert run.table([broken, items[0]], BUDGETS[:1], records)[0].right.asked == 1
    assert any("broken.png" in line for line in run._told([broken, items[0]], records))
    with pytest.raises(InvalidInputError, match="not a picture"):
        run.table([broken], BUDGETS[:1], records[:1])


def test_a_question_that_takes_too_much_memory_is_told_and_any_other_failure_is_not_hidden(
    mini, items, tmp_path, monkeypatch
):
    asked = iter(
        [torch.OutOfMemoryError("CUDA out of memory"), {"answers": ["two"]}, {"answers": ["two"]}, ZeroDivisionError()]
    )

    def _asked(*_):
        found = next(asked)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(run, "_asked", _asked)
    with pytest.raises(ZeroDivisionError):
        run.sweep(mini, items, BUDGETS, tmp_path / "sweep.jsonl")
    _, first, second = map(json.loads, (tmp_path / "sweep.jsonl").read_text().splitlines())
    assert "memory ran out" in first["problem"] and second == {"answers": ["two"]}


def test_the_command_prints_a_table_and_says_what_is_wrong(items, tmp_path, monkeypatch, capsys):
    path = tmp_path / "mine.csv"
    path.write_text(f"picture,question,answer\n{items[0].picture},{items[0].question},{items[0].answers[1]}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweep", "mini-7", str(path), "-k", "1", "-r", "0.9", "--method", "fastv_mean"])
    run.main()
    assert "K=1, R=90%, fastv_mean" in capsys.readouterr().out
    header = json.loads((tmp_path / "mine.mini-7.jsonl").read_text().splitlines()[0])
    assert header["model"] == "mini-7" and header["budgets"] == [{"k": 1, "r": 0.9, "method": "fastv_mean", "seed": 0}]
    for arguments, told in (
        (["-r", "2"], "r"),
        (["--dtype", "float7"], "float7"),
        (["-k", "99"], "99"),
        (["--output", str(tmp_path / "none" / "x")], "cannot be written"),
    ):
        monkeypatch.setattr(sys, "argv", ["sweep", "mini-7", str(path), "--output", str(tmp_path / "x"), *arguments])
        with pytest.raises(SystemExit, match=told):
            run.main()
