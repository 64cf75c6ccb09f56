"""Example pictures: the same every time, with questions that fit and answers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from fastv.app.shared.example_scenes import GALLERY_SEEDS, GENERAL, SUGGESTIONS, example, true_answer
from fastv.families.catalogue import DEFAULT
from fastv.inputs.answer_matching import is_match
from fastv.loading.load import load
from fastv.measurement.prompt import answer_text, prompt_of
from fastv.measurement.timing import generate


@pytest.mark.parametrize("seed", [*GALLERY_SEEDS, *range(900, 930)])
def test_every_suggestion_has_a_known_answer_and_fits_a_button(seed):
    made = example(seed)
    assert 1 <= len(made.suggestions) <= SUGGESTIONS and len(set(made.suggestions)) == len(made.suggestions)
    for question in made.suggestions:
        assert true_answer(made.answers, question) and len(question) < 50 and "\n" not in question
    assert made.picture.size == (336, 336) and made.description


def test_a_seed_is_a_picture():
    one, other = example(7), example(7)
    assert (
        np.array_equal(one.picture, other.picture)
        and one.suggestions == other.suggestions
        and one.answers == other.answers
    )


def test_answers_are_found_however_the_question_is_typed():
    made = example(GALLERY_SEEDS[0])
    question = made.suggestions[0]
    assert true_answer(made.answers, f"  {question.upper().rstrip('?.')} ") == true_answer(made.answers, question)
    assert true_answer(made.answers, "Who painted this?") is None and true_answer({}, question) is None


def test_general_questions_fill_the_row():
    assert len(GENERAL) == SUGGESTIONS


def test_a_visitors_first_run_is_right_without_fastv():
    """So that the page shows what FastV changes, and not what the default model does not know."""
    loaded, made = load(DEFAULT), example(GALLERY_SEEDS[0])
    question = made.suggestions[0]
    prompt = prompt_of(loaded, made.picture, question, answer_tokens=40)
    answer = answer_text(loaded, generate(loaded.model, prompt.inputs, max_new_tokens=40).tokens)
    assert is_match(answer, true_answer(made.answers, question))
