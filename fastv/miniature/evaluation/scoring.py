"""Which answers are right, and scores per task and by what training had seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastv.inputs.answer_matching import is_match
from fastv.miniature.evaluation.dataset import Item
from fastv.miniature.world.question_templates import GROUP_OF, GROUPS, TASKS
from fastv.miniature.world.questions import Question
from fastv.stats import Score


def is_right(question: Question, answer: str) -> bool:
    """Whether an answer is the question's; see ``fastv.inputs.answer_matching``."""
    return is_match(answer, question.answer)


def merged(parts: Sequence[dict[str, Score]]) -> dict[str, Score]:
    """The scores of all questions from those of some of them at a time."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: Score.counted(
            sum(part[name].right for part in parts if name in part),
            sum(part[name].asked for part in parts if name in part),
        )
        for name in names
    }


def scores(items: Sequence[Item], marks: Sequence[bool]) -> dict[str, Score]:
    """Overall, per task, and by what training had seen: name -> Score."""

    def is_of(task: str) -> Callable[[Item], bool]:
        return lambda item: item.question.task == task

    groups: dict[str, Callable[[Item], bool]] = {"all": lambda item: True}
    groups |= {task: is_of(task) for task in TASKS}
    groups |= {
        "phrasing seen": lambda item: item.question.seen,
        "phrasing unseen": lambda item: not item.question.seen,
        "layout seen": lambda item: not item.held_out,
        "layout unseen": lambda item: item.held_out,
    }
    chosen = {name: [mark for item, mark in zip(items, marks) if belongs(item)] for name, belongs in groups.items()}
    return {name: Score.of(some) for name, some in chosen.items() if some}


def by_group(found: Mapping[str, Score]) -> dict[str, Score]:
    """Scores per group of tasks (VQA, captions, OCR, counting and localization) from those per task."""
    parts: dict[str, list[Score]] = {group: [] for group in GROUPS}
    for task, group in GROUP_OF.items():
        if task in found:
            parts[group].append(found[task])
    return {
        group: Score.counted(sum(score.right for score in tasks), sum(score.asked for score in tasks))
        for group, tasks in parts.items()
        if tasks
    }
