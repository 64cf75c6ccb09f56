"""Example images: drawn scenes with suggested questions and their true answers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from fastv.miniature.world.gallery import GALLERY_SEEDS, gallery_scene
from fastv.miniature.world.question_templates import TASKS
from fastv.miniature.world.questions import Question, ask, description, questions

__all__ = ["CLIP", "GALLERY_SEEDS", "GENERAL", "SUGGESTIONS", "ExampleScene", "example", "true_answer"]

SUGGESTIONS = 4
# For images of unknown content.
GENERAL = (
    "Describe the picture.",
    "What is in the middle?",
    "What colour is the background?",
    "Is there a dog in the picture?",
)
# For clips of unknown content.
CLIP = ("Describe the video.", "What happens in the video?", "What moves?", "What is different at the end?")
# The first suggestion is a visitor's first question: the one whose answer shows most of what pruning does.
_FIRST = "Describe the picture."
_LONGEST_SUGGESTION = 44  # characters; longer ones do not fit on a button
_KNOWN_QUESTIONS = 120


@dataclass(frozen=True)
class ExampleScene:
    """An RGB image, what it shows, short questions about it, and the true answers that are known, by question."""

    picture: Image.Image
    description: str
    suggestions: tuple[str, ...]
    answers: dict[str, str]


def example(seed: int) -> ExampleScene:
    """The scene of a seed, with a layout that was held out of the miniatures' training."""
    made, rng = gallery_scene(seed), random.Random(f"suggestions {seed}")
    tasks = [task for task in rng.sample(TASKS, len(TASKS)) if task not in ("choice", "describe")]
    whole = Question(_FIRST, description(made), "describe", seen=True)
    short = [
        question
        for question in (ask(made, task, rng) for task in tasks)
        if question is not None and len(question.text) <= _LONGEST_SUGGESTION
    ]
    suggested = {question.text: question for question in (whole, *short)}
    known = [*questions(made, _KNOWN_QUESTIONS, rng), *suggested.values()]
    return ExampleScene(
        made.picture,
        description(made),
        tuple(suggested)[:SUGGESTIONS],
        {_plain(question.text): question.answer for question in known},
    )


def true_answer(answers: Mapping[str, str], question: str) -> str | None:
    """The true answer to a question about an example, if it is known."""
    return answers.get(_plain(question))


def _plain(question: str) -> str:
    return " ".join(question.lower().split()).rstrip("?.! ")
