"""Questions about scenes, phrased."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fastv.miniature.next.world.answers import ASKERS, fact, mix
from fastv.miniature.next.world.question_templates import PHRASINGS, TASK_OF
from fastv.miniature.next.world.scenes import Scene
from fastv.miniature.next.world.vocabulary import FACTS


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer.

    seen: whether training uses this phrasing. fact_seen: whether training asks for this fact about this kind in
    pictures.
    """

    text: str
    answer: str
    form: str
    seen: bool
    fact_seen: bool = True

    @property
    def task(self) -> str:
        return TASK_OF[self.form]


def ask(made: Scene, form: str, rng: random.Random, *, seen: bool = True, training: bool = False) -> Question | None:
    """A question of a form about a scene, or None if the scene gives no occasion for it.

    seen: in a phrasing training uses. training: keep to the facts that training may ask about, and ask for some by
    name.
    """
    fact_seen = True
    if form in FACTS:
        found, fact_seen = fact(made, form, rng, training)
    elif form == "mix":
        found, fact_seen = mix(made, rng, training)
    else:
        found = ASKERS[form](made, rng)
    if found is None:
        return None
    slots, answer = found
    phrasing = rng.choice(PHRASINGS[form][0 if seen else 1])
    return Question(phrasing.format(*slots.pop("options", ()), **slots), answer, form, seen, fact_seen)
