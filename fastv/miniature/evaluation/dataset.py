"""The questions a miniature is measured on: the same scenes and questions every time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from fastv.miniature.world.question_templates import TASKS
from fastv.miniature.world.questions import Question, ask
from fastv.miniature.world.scenes import Scene, scene

SCENES, QUESTIONS_A_SCENE = 1000, 3
DUEL_SCENES = 3000  # those after SCENES: none that the grid asks about


@dataclass(frozen=True)
class Item:
    """One question of the benchmark. ``held_out``: whether its scene's layout is one that training never saw."""

    scene: Scene
    question: Question
    held_out: bool


def of_tasks(tasks: Collection[str], count: int, *, first: int) -> list[Item]:
    """``count`` questions of some tasks: one about each scene from number ``first`` on that allows one.

    Layouts and phrasings are held out as in :func:`benchmark`.
    """
    return list(itertools.islice(_one_a_scene(sorted(tasks), first), count))


def _one_a_scene(tasks: Sequence[str], first: int) -> Iterator[Item]:
    for seed in itertools.count(first):
        held_out = seed % 8 >= 6
        made, rng = scene(seed, held_out=held_out), random.Random(f"tasks {seed}")
        asked = (ask(made, task, rng, seen=seed % 2 == 0) for task in rng.sample(tasks, len(tasks)))
        question = next(filter(None, asked), None)
        if question:
            yield Item(made, question, held_out)


def benchmark(scenes: int = SCENES, questions: int = QUESTIONS_A_SCENE, *, first: int = 0) -> list[Item]:
    """At most ``questions`` about each of ``scenes`` scenes from number ``first`` on; of fewer questions, the first of
    them.

    Tasks are drawn by lot; half of the scenes are asked about in phrasings training did not use, a quarter have
    layouts it did not use. Phrasing varies independently of task and layout. No layout held out is of a single thing,
    so that those scenes are somewhat fuller.
    """
    items = []
    for seed in range(first, first + scenes):
        held_out = seed % 8 >= 6
        made, rng = scene(seed, held_out=held_out), random.Random(f"benchmark {seed}")
        turn = rng.sample(TASKS, len(TASKS))
        asked = [found for task in turn if (found := ask(made, task, rng, seen=seed % 2 == 0))]
        items += [Item(made, question, held_out) for question in asked[:questions]]
    return items
