"""The rounds of the blind test, drawn from recorded answers: one picture each, two answers, R rising."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fastv.costs.flops import kept_tokens
from fastv.evidence.example_answers import ExampleAnswers, example_answers
from fastv.miniature.world.captions import CheckedCaption, check_caption
from fastv.miniature.world.gallery import gallery_scene
from fastv.miniature.world.questions import description

MODELS = ("mini-7", "mini-13")
K, METHOD = 2, "fastv"
RS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Round:
    """One picture with two answers to one question.

    Attributes
    ----------
    seed : int
        Of the scene.
    model : str
        Who answered.
    r : float
        The fraction that was dropped for one of the answers.
    kept, tokens : int
        Visual tokens left for that answer, and of the picture.
    answers : tuple of str
        As they are shown, first and second.
    pruned : int
        Which of them was given with pruning: 0 or 1.
    checked : CheckedCaption or None
        The pruned answer beside what is in the picture.
    """

    seed: int
    model: str
    r: float
    kept: int
    tokens: int
    answers: tuple[str, str]
    pruned: int
    checked: CheckedCaption | None

    @property
    def same(self) -> bool:
        """Whether both answers are the same words, so that nobody can tell."""
        return self.answers[0] == self.answers[1]


def rounds(seed: int) -> list[Round]:
    """Ten rounds, R rising; scenes, models and the order of the answers are drawn by ``seed``.

    No round is there twice. Empty where nothing was recorded.
    """
    rng = random.Random(f"blind test {seed}")
    found = [record for record in map(example_answers, MODELS) if record is not None]
    pairs = [(record, scene) for record in found for scene in sorted({key[0] for key in record.runs})]
    if not pairs:
        return []
    rng.shuffle(pairs)
    return [_round(*pairs[number % len(pairs)], r, rng.randrange(2)) for number, r in enumerate(RS)]


def _round(record: ExampleAnswers, scene: int, r: float, pruned: int) -> Round:
    run, step = record.runs[scene, METHOD, K], record.rs.index(r)
    whole, short = run.answers[0], run.answers[step]
    tokens = record.grid[0] * record.grid[1]
    return Round(
        seed=scene,
        model=record.model,
        r=r,
        kept=kept_tokens(tokens, r),
        tokens=tokens,
        answers=(short, whole) if pruned == 0 else (whole, short),
        pruned=pruned,
        checked=check_caption(short, description(gallery_scene(scene))),
    )


def question() -> str:
    """What was asked about every picture; empty where nothing was recorded."""
    return next((record.question for record in map(example_answers, MODELS) if record is not None), "")
