"""Sweeps over several processes: the records of one process, also after a rank was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from fastv.cli.main import run
from fastv.errors import InvalidInputError
from fastv.loading.load import load
from fastv.measurement.records import read, with_hash
from fastv.miniature.world.scenes import scene
from fastv.pruning.config import PruningConfig
from fastv.sweep import shards
from fastv.sweep.cells import sample_id
from fastv.sweep.datasets.base import Sample
from fastv.sweep.run import sweep
from fastv.sweep.shards import Rank, merged, rank_file, slice_of, write_part
from tests.support.ports import free_port
from tests.support.standins import save_llava_checkpoint

QUESTIONS = ("How many animals are there?", "Where is the boat?", "What is on the left?", "What colour is the sky?")


@pytest.fixture
def many(tmp_path):
    for seed in range(3):
        scene(seed).picture.save(tmp_path / f"{seed}.png")
    return [Sample(tmp_path / f"{seed}.png", question) for seed in range(3) for question in QUESTIONS]


def test_a_rank_is_what_launchers_say():
    assert Rank.here({}) == Rank(0, 1, 0)
    assert Rank.here({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}) == Rank(5, 8, 1)
    assert Rank().device == "auto"


@pytest.mark.parametrize("ranks", [1, 2, 5, 40])
def test_slices_are_all_questions_each_once(many, ranks):
    slices = [slice_of([*many, many[0]], Rank(number, ranks)) for number in range(ranks)]
    assert sorted(one for some in slices for one in some) == sorted(map(sample_id, many))
    assert max(map(len, slices)) - min(map(len, slices)) <= 1
    assert slices == [slice_of(reversed(many), Rank(number, ranks)) for number in range(ranks)]


def test_files_of_ranks_become_one_with_each_record_once(tmp_path):
    header = with_hash({"kind": "sweep", "model": "mini-7", "machine": {"name": "a"}})
    first, second = ({"question": name, "answers": [1]} for name in "ab")
    found, records = merged([(header, [first]), ({**header, "machine": {"name": "b"}}, [second, first])])
    assert (found, records) == (header, [first, second])
    assert merged([]) is None
    with pytest.raises(InvalidInputError, match="model differs"):
        merged([(header, []), ({**header, "model": "mini-13"}, [])])
    own = rank_file(tmp_path / "sweep.jsonl", 1)
    write_part(own, (header, [first, second]), {"b"})
    assert read(own) == (header, [second])
    write_part(own, None, {"b"})
    assert not own.exists()


def answers(path: Path) -> dict:
    return {
        record["question"]: [(answer["config"], answer["answer"]) for answer in record["answers"]]
        for record in read(path)[1]
        if "answers" in record
    }


def rank_process(parent: int, number: int) -> int:
    """The process of a rank below the launcher's; waits until it is there."""
    for _ in range(600):
        for folder in Path("/proc").iterdir():
            try:
                stat = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                if int(stat[1]) == parent and f"RANK={number}\0".encode() in b"\0" + (folder / "environ").read_bytes():
                    return int(folder.name)
            except (OSError, IndexError, ValueError):
                continue
        time.sleep(0.05)
    raise AssertionError("the rank did not start")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the rank's process in /proc")
def test_two_processes_give_the_records_of_one_also_after_one_was_killed(many, tmp_path, monkeypatch, capsys):
    table, path, alone = (tmp_path / name for name in ("questions.jsonl", "two.jsonl", "one.jsonl"))
    save_llava_checkpoint(tmp_path / "model", layers=8)
    rows = [{"image": sample.image.name, "question": sample.question} for sample in many]
    table.write_text("\n".join(map(json.dumps, rows)))
    port = str(free_port())
    arguments = [
        "sweep",
        str(tmp_path / "model"),
        str(table),
        *["-k", "2", "-r", "0.5", "--answer-tokens", "12", "--json"],
    ]
    arguments += ["--output", str(path), *["--no-controls", "--timed", "2", "--batch", "1"]]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += ["--main_process_port", port, "-m", "fastv", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    started = subprocess.Popen(launcher, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        victim, own = rank_process(started.pid, 1), rank_file(path, 1)
        while not own.exists() or own.read_bytes().count(b"\n") < 2:
            assert started.poll() is None
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        assert started.wait(120) != 0
    finally:
        started.kill()
    left = {name: record for number in (0, 1) for name, record in answers(rank_file(path, number)).items()}
    assert 0 < len(left) < len(many)
    # Again, rank 0 in this process, as each one imports for seconds.
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    second = environment | told | {"RANK": "1", "LOCAL_RANK": "1"}
    other = subprocess.Popen([sys.executable, "-m", "fastv", *arguments], env=second, stdout=subprocess.PIPE, text=True)
    try:
        for name, value in (told | {"RANK": "0", "LOCAL_RANK": "0"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(shards, "_PATIENCE", timedelta(minutes=2))  # where the other one failed
        assert run(arguments) == 0
        assert other.communicate(timeout=60)[0] == "" and other.returncode == 0  # one rank prints
    finally:
        other.kill()
    assert json.loads(capsys.readouterr().out)["questions"] == len(many)
    sweep(load(str(tmp_path / "model")), many, [PruningConfig("fastv", 2, 0.5)], alone, answer_tokens=12, timed=0)
    assert answers(path) == answers(alone)
    assert len(answers(path)) == len(many)
    assert not list(tmp_path.glob("*.rank*"))
