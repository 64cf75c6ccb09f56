"""The checkpoint that comes with the project: it loads like LLaVA-1.5, and answers as well as its card says."""

import json
from pathlib import Path

import pytest

from fastv import FastV
from fastv.miniature.card import card
from fastv.miniature.evaluate import answers, benchmark, is_right
from fastv.models.catalogue import find
from fastv.models.loading import load

FOLDER = Path(find("mini-7").source)


@pytest.fixture(scope="module")
def mini():
    return load("mini-7")


@pytest.fixture(scope="module")
def items():
    return benchmark(30)


def share(items, said):
    return sum(is_right(item.question, answer) for item, answer in zip(items, said, strict=True)) / len(items)


def test_it_answers_most_questions(mini, items):
    assert share(items, answers(mini, items)) >= 0.6


def test_dropping_all_visual_tokens_early_hurts_and_dropping_none_changes_nothing(mini, items):
    some = items[:36]
    plain = list(answers(mini, some))
    assert list(answers(mini, some, FastV(k=2, r=0))) == plain
    assert share(some, answers(mini, some, FastV(k=0, r=1))) < share(some, plain)


def test_it_sees_as_many_visual_tokens_as_llava(mini):
    assert mini.model.config.image_seq_length == 576
    assert mini.model.config.vision_config.image_size == 336


def test_its_card_is_the_one_its_scores_make():
    assert (FOLDER / "README.md").read_text() == card(FOLDER)


def test_its_files_stay_small_enough_for_plain_git():
    assert all(file.stat().st_size < 10_000_000 for file in FOLDER.iterdir())
    assert json.loads((FOLDER / "scores.json").read_text())["scores"]["all"]["share"] >= 0.6
