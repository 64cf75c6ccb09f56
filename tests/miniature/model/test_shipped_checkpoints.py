"""The checkpoints that come with the project: they load like LLaVA-1.5, and answer as well as their cards say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fastv.evidence.measurements import fingerprint
from fastv.families.catalogue import CATALOGUE, find
from fastv.loading.load import load
from fastv.miniature.evaluation.cli import answers, benchmark, is_right
from fastv.miniature.evaluation.model_card import card
from fastv.pruning.config import PruningConfig

pytestmark = pytest.mark.slow

TWINS = [entry.key for entry in CATALOGUE if entry.embedded]


@pytest.fixture(scope="module", params=TWINS)
def mini(request):
    return load(request.param)


@pytest.fixture(params=TWINS)
def folder(request):
    return Path(find(request.param).source)


@pytest.fixture(scope="module")
def items():
    return benchmark(8, 3)  # scenes of all kinds


@pytest.fixture(scope="module")
def some(items):
    return items[:12]


@pytest.fixture(scope="module")
def said(mini, items):
    """What the model answers without pruning."""
    return list(answers(mini, items))


def share(items, said):
    return sum(is_right(item.question, answer) for item, answer in zip(items, said, strict=True)) / len(items)


def test_it_answers_most_questions(items, said):
    assert share(items, said) >= 0.6


def test_a_question_typed_as_people_do_gets_the_same_answer(mini, some, said):
    typed = [
        replace(
            item,
            question=replace(
                item.question, text=f"{item.question.text[0].lower()}{item.question.text[1:]}".rstrip("?.")
            ),
        )
        for item in some
    ]
    kept = [before == after for before, after in zip(said[: len(some)], answers(mini, typed), strict=True)]
    assert sum(kept) >= 0.8 * len(kept)


def test_dropping_all_visual_tokens_early_hurts_and_dropping_none_changes_nothing(mini, some, said):
    plain = said[: len(some)]
    assert list(answers(mini, some, PruningConfig("fastv", 2, 0))) == plain
    assert share(some, answers(mini, some, PruningConfig("fastv", 0, 1))) < share(some, plain)


def test_it_sees_as_many_visual_tokens_as_llava(mini):
    assert mini.model.config.image_seq_length == 576
    assert mini.model.config.vision_config.image_size == 336


def test_its_card_is_the_one_its_scores_make(folder):
    assert (folder / "README.md").read_text() == card(folder)


def test_its_scores_are_of_the_weights_that_are_shipped(folder):
    assert json.loads((folder / "scores.json").read_text())["weights"] == fingerprint(folder)


def test_its_files_stay_small_enough_for_plain_git(folder):
    assert all(file.stat().st_size < 10_000_000 for file in folder.iterdir())
    assert json.loads((folder / "scores.json").read_text())["scores"]["all"]["share"] >= 0.6
