"""A small model, a few questions, and a sweep over them."""

from __future__ import annotations

import pytest

from fastv.miniature.world.scenes import scene
from fastv.pruning.config import PruningConfig
from fastv.sweep.datasets.base import Sample
from fastv.sweep.run import sweep
from tests.support.prompts import talkative

#: Of the sweep that tests start from: the longest answer, and questions whose passes are timed.
TOKENS, TIMED = 4, 2


@pytest.fixture(scope="package")
def mini(tmp_path_factory):
    return talkative(tmp_path_factory.mktemp("model") / "mini", layers=8)


@pytest.fixture(scope="package")
def samples(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("images"), []
    for seed in (1, 2):
        scene(seed).picture.save(folder / f"{seed}.png")
        colour = scene(seed).colour.capitalize() + "."
        made += [
            Sample(folder / f"{seed}.png", "What colour is the background?", ("no colour", colour)),
            Sample(folder / f"{seed}.png", "How many animals are there?"),
        ]
    return made


@pytest.fixture(scope="package")
def configs():
    return [PruningConfig("fastv", 2, 0.0), PruningConfig("fastv", 2, 0.75), PruningConfig("fastv", 0, 1.0)]


@pytest.fixture(scope="package")
def swept(mini, samples, configs, tmp_path_factory):
    """The record file and the results."""
    path = tmp_path_factory.mktemp("sweep") / "sweep.jsonl"
    return path, sweep(mini, samples, configs, path, answer_tokens=TOKENS, timed=TIMED)
