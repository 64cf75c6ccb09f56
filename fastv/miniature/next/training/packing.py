"""Training batches: scenes in numbers with many questions each, packed behind the picture; made by worker processes.

Every question sees the picture and itself only and stands right after the picture, so that a picture's tokens are
computed once for all its questions, and each question is learnt just as if it were asked alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import PreTrainedTokenizerFast

from fastv.miniature.next.model.tokenizer import Encoder, block
from fastv.miniature.next.world.paraphrase import reworded
from fastv.miniature.next.world.question_templates import FORMS, TASK_OF, TASKS
from fastv.miniature.next.world.questions import ask
from fastv.miniature.next.world.rendering import Parameters, parameters
from fastv.miniature.next.world.scenes import Scene, scene

TRAINING_SEEDS = 10_000_000  # training draws its scenes from here on; evaluation's seeds lie far below
TEXT_TOKENS = (
    321  # of all questions about a picture together; with opening and picture 912, a multiple of 16, as GPUs like it
)
NO_TARGET = -100
# Forms that are learnt late are asked more often, and those that few scenes give occasion for.
_SHARES = {
    "exists": 1.0,
    "identify": 1.5,
    "category": 0.7,
    "colour": 1.2,
    "background": 0.4,
    "relation": 1.5,
    "compare": 1.2,
    "home": 1.0,
    "call": 1.0,
    "young": 1.0,
    "price": 1.2,
    "heavier": 1.5,
    "sum": 2.5,
    "mix": 3.0,
    "which call": 1.0,
    "which young": 1.0,
    "choice": 1.0,
    "caption": 1.2,
    "plate": 2.0,
    "count": 1.5,
    "count category": 1.5,
    "where": 1.0,
    "outermost": 1.5,
}
_TASK_INDEX = {form: TASKS.index(TASK_OF[form]) for form in FORMS}


@dataclass
class Batch:
    """Scenes and their questions.

    Attributes
    ----------
    scenes : Parameters
    ids : int64 (batch, n)
        Tokens of all questions with their answers, one after the other.
    block : int64 (batch, n)
        Which question a token belongs to, from 1; 0 for padding.
    offset : int64 (batch, n)
        A token's place in its question.
    target : int64 (batch, n)
        The next token where it is one of an answer, else ``NO_TARGET``.
    weight : float32 (batch, n)
        Of a target in the loss: long answers count for more than short ones, but not as their many tokens.
    task : int64 (batch, n)
        Index in TASKS.
    """

    scenes: Parameters
    ids: Tensor
    block: Tensor
    offset: Tensor
    target: Tensor
    weight: Tensor
    task: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same on ``device``."""
        parts = [
            getattr(self, field.name).to(device, non_blocking=True) for field in fields(self) if field.name != "scenes"
        ]
        return Batch(self.scenes.to(device), *parts)


class Questioner:
    """Scenes -> a batch of questions about them; picklable, so that it can work in another process."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, tokens: int = TEXT_TOKENS):
        self.encode, self.tokens, self.eos = Encoder(tokenizer), tokens, tokenizer.eos_token_id

    def __call__(self, scenes: list[Scene]) -> Batch:
        shape = len(scenes), self.tokens
        made = {name: np.zeros(shape, np.int64) for name in ("ids", "block", "offset", "task")}
        made["target"], made["weight"] = np.full(shape, NO_TARGET, np.int64), np.zeros(shape, np.float32)
        for row, shown in enumerate(scenes):
            self._fill({name: array[row] for name, array in made.items()}, shown)
        return Batch(parameters(scenes), **{name: torch.from_numpy(array) for name, array in made.items()})

    def _fill(self, row: dict[str, np.ndarray], made: Scene) -> None:
        rng = random.Random(f"questions {made.seed}")
        end, number = 0, 0
        asked: set[str] = set()
        for form in rng.choices(FORMS, [_SHARES[form] for form in FORMS], k=80):
            question = ask(made, form, rng, training=True)
            if question is None or question.text in asked:
                continue
            asked.add(question.text)
            prompt = self.encode(block(reworded(question.text, form, rng)))
            answer = [*self.encode(f" {question.answer}"), self.eos]
            ids = prompt + answer[:-1]
            if end + len(ids) > self.tokens:
                break
            number += 1
            at = slice(end, end + len(ids))
            row["ids"][at], row["block"][at] = ids, number
            row["offset"][at], row["task"][at] = range(len(ids)), _TASK_INDEX[form]
            answers = slice(end + len(prompt) - 1, end + len(ids))
            row["target"][answers], row["weight"][answers] = answer, len(answer) ** -0.5
            end += len(ids)


class _Batches(IterableDataset):
    def __init__(self, first: int, size: int, make: Questioner | None):
        self.first, self.size, self.make = first, size, make

    def __iter__(self) -> Iterator[Batch | Parameters]:
        torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        number, every = (worker.id, worker.num_workers) if worker else (0, 1)
        while True:
            start = TRAINING_SEEDS + self.first + number * self.size
            scenes = [scene(seed, held_out=False) for seed in range(start, start + self.size)]
            batch = self.make(scenes) if self.make else parameters(scenes)
            yield batch
            number += every


def batches(size: int, *, first: int = 0, make: Questioner | None = None, workers: int = 1) -> Iterator:
    """Endless batches of ``size`` training scenes from the ``first`` on: with questions, or only the scenes in
    numbers.
    """
    loader = DataLoader(
        _Batches(first, size, make),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=8 if workers else None,
    )
    return iter(loader)
