"""The questions a miniature is measured on, by group: the same scenes and questions every time, none of them trained
on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from fastv.miniature.next.world.question_templates import FORMS, GROUP_OF, TASK_OF
from fastv.miniature.next.world.questions import Question, ask
from fastv.miniature.next.world.scenes import Scene, scene


@dataclass(frozen=True)
class Item:
    """One question. ``held_out``: whether its scene's layout is one that training never saw."""

    scene: Scene
    question: Question
    held_out: bool

    @property
    def group(self) -> str:
        return GROUP_OF[self.question.task]


def benchmark(group: str, count: int, *, first: int = 0) -> list[Item]:
    """``count`` questions of a group, one a scene, of the scenes from number ``first`` on that give occasion for one.

    Forms are drawn by lot, tasks alike often; half of the scenes are asked about in phrasings that training did not
    use, a quarter have layouts it did not use.

    Raises
    ------
    ValueError
        For an unknown group.
    """
    tasks: dict[str, list[str]] = {}
    for form in FORMS:
        if GROUP_OF[TASK_OF[form]] == group:
            tasks.setdefault(TASK_OF[form], []).append(form)
    if not tasks:
        raise ValueError(f"There is no group {group!r}: choose one of {', '.join(dict.fromkeys(GROUP_OF.values()))}.")
    items: list[Item] = []
    seed = first
    while len(items) < count:
        held_out = seed % 8 >= 6
        made, rng = scene(seed, held_out=held_out), random.Random(f"benchmark {group} {seed}")
        for task in rng.sample(list(tasks), len(tasks)):
            question = None
            for form in rng.sample(tasks[task], len(tasks[task])):
                question = question or ask(made, form, rng, seen=seed % 2 == 0)
            if question:
                items.append(Item(made, question, held_out))
                break
        seed += 1
    return items
