"""How well a miniature answers, with and without FastV: the same fixed scenes every time, scores per task with intervals.

    python -m fastv.miniature.evaluate mini-7
    python -m fastv.miniature.evaluate mini-7 -k 2 -r 0.5 --scenes 300
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from fastv import FastV
from fastv.miniature.phrasings import TASKS
from fastv.miniature.questions import Question, ask
from fastv.miniature.scenes import Scene, scene
from fastv.models.loading import LoadedModel, load

SCENES, QUESTIONS_A_SCENE = 1000, 3
_LONGEST_ANSWER = 40  # tokens


@dataclass(frozen=True)
class Item:
    """One question of the benchmark. ``held_out``: whether its scene's layout is one that training never saw."""

    scene: Scene
    question: Question
    held_out: bool


@dataclass(frozen=True)
class Score:
    """``right`` of ``asked`` questions, as a share with its 95% Wilson interval."""

    right: int
    asked: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, marks: list[bool]) -> Score:
        asked, right = len(marks), sum(marks)
        z, share = 1.96, right / asked
        centre = (share + z * z / (2 * asked)) / (1 + z * z / asked)
        reach = z / (1 + z * z / asked) * (share * (1 - share) / asked + z * z / (4 * asked * asked)) ** 0.5
        return cls(right, asked, share, centre - reach, centre + reach)


def benchmark(scenes: int = SCENES) -> list[Item]:
    """The questions about scenes 0 ... scenes - 1: tasks by lot, half of the scenes in phrasings training did not use, a quarter
    with layouts it did not use; task, phrasing and layout vary independently."""
    items = []
    for seed in range(scenes):
        held_out = seed % 8 >= 6
        made, rng = scene(seed, held_out=held_out), random.Random(f"benchmark {seed}")
        turn = rng.sample(TASKS, len(TASKS))
        asked = [found for task in turn if (found := ask(made, task, rng, seen=seed % 2 == 0))]
        items += [Item(made, question, held_out) for question in asked[:QUESTIONS_A_SCENE]]
    return items


def is_right(question: Question, answer: str) -> bool:
    """Whether an answer says the same: in any case, and for a description with the things in any order."""
    said, truth = answer.strip().rstrip(".").lower(), question.answer.lower()
    if question.task != "describe":
        return said == truth
    return _parts(said) == _parts(truth)


def _parts(text: str) -> list[str]:
    things, _, background = text.partition(" on ")
    return sorted(things.replace(" and ", ", ").split(", ")) + [background]


def answers(loaded: LoadedModel, items: list[Item], budget: FastV | None = None, *, batch: int = 24) -> Iterator[str]:
    """Greedy answers, one per item, in order; ``budget`` prunes."""
    tokenizer = loaded.processor.tokenizer
    for start in range(0, len(items), batch):
        some = items[start:start + batch]
        prompts = [loaded.family.prompt(loaded.processor, item.question.text) for item in some]
        inputs = loaded.processor(images=[item.scene.picture for item in some], text=prompts, padding=True, return_tensors="pt")
        with torch.inference_mode(), budget(loaded.model) if budget else nullcontext():
            out = loaded.model.generate(**inputs.to(loaded.device, loaded.model.dtype), do_sample=False,
                                        max_new_tokens=_LONGEST_ANSWER)
        yield from (text.strip() for text in tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True))


def scores(items: list[Item], marks: list[bool]) -> dict[str, Score]:
    """Overall, per task, and by what training had seen: name -> Score."""
    groups = {"all": lambda item: True}
    groups |= {task: lambda item, task=task: item.question.task == task for task in TASKS}
    groups |= {"phrasing seen": lambda item: item.question.seen, "phrasing unseen": lambda item: not item.question.seen,
               "layout seen": lambda item: not item.held_out, "layout unseen": lambda item: item.held_out}
    chosen = {name: [mark for item, mark in zip(items, marks) if belongs(item)] for name, belongs in groups.items()}
    return {name: Score.of(some) for name, some in chosen.items() if some}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="mini-7", help="a miniature's name, or a folder")
    parser.add_argument("-k", type=int, default=None, help="prune on entering this decoder layer (default: no FastV)")
    parser.add_argument("-r", type=float, default=0.5, help="fraction of visual tokens to drop")
    parser.add_argument("--rank", default="last_token")
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--json", type=Path, help="also write the scores to this file")
    arguments = parser.parse_args()
    loaded, items = load(arguments.model), benchmark(arguments.scenes)
    budget = None if arguments.k is None else FastV(arguments.k, arguments.r, arguments.rank)
    marks = [is_right(item.question, answer) for item, answer in zip(items, answers(loaded, items, budget))]
    found = scores(items, marks)
    for name, score in found.items():
        print(f"{name:16} {100 * score.share:5.1f}%  ({100 * score.low:.1f} to {100 * score.high:.1f}, n={score.asked})")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        settings = {"model": arguments.model, "k": arguments.k, "r": arguments.r if budget else 0.0,
                    "rank": arguments.rank if budget else None, "scenes": arguments.scenes}
        record = {**settings, "scores": {name: asdict(score) for name, score in found.items()}}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
