"""lmms-eval's own command on a small local task: the answers of a sweep, with times. Needs the extra ``lmms-eval``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fastv.integrations.lmms_eval.manifest import manifest
from fastv.loading.load import load
from fastv.pruning.config import PruningConfig
from fastv.sweep.datasets.base import Sample
from fastv.sweep.quality_pass import answers_to
from tests.support.lmms_eval_task import QUESTION, write_task

ROOT = Path(__file__).parents[2]


def test_the_entry_point_names_a_function_that_is_there():
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["lmms_eval.models"]
    assert points == {"fastv": f"{manifest.__module__}:{manifest.__name__}"}


@pytest.mark.slow
def test_its_own_command_gives_the_answers_of_a_sweep(tmp_path):
    pytest.importorskip("lmms_eval", reason="the extra lmms-eval is not installed")
    pictures = write_task(tmp_path, scenes=range(1, 5))
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", "eval", "--model", "fastv", "--tasks", "scenes", "--batch_size", "1"]
        + ["--model_args", "pretrained=mini-7,method=fastv,k=2,r=0.75", "--include_path", str(tmp_path)]
        + ["--output_path", str(tmp_path / "out"), "--log_samples"],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (result,) = (tmp_path / "out").rglob("*_results.json")
    throughput = json.loads(result.read_text())["throughput"]
    assert 0 < throughput["avg_ttft"] < throughput["total_elapsed_time"] and throughput["avg_tpot"] > 0
    assert throughput["avg_kept_visual_tokens"] == throughput["avg_visual_tokens"] / 4
    (log,) = (tmp_path / "out").rglob("*_samples_scenes.jsonl")
    said = {row["doc_id"]: row["filtered_resps"] for row in map(json.loads, log.read_text().splitlines())}
    mini, config = load("mini-7"), PruningConfig("fastv", 2, 0.75)
    for number, picture in enumerate(pictures):
        (swept,) = answers_to(mini, [(Sample(picture, QUESTION), "0" * 16)], [config], answer_tokens=8)
        assert said[number] == swept.answers[1].answer
