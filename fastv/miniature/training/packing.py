"""Many questions about one picture in one sequence: each sees the picture and itself, and stands right after the
picture.

So a picture's tokens are computed once for all its questions, and each question is learnt just as if it were asked
alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from fastv.miniature.model.tokenizer import IMAGE, OPENING, block
from fastv.miniature.training.dataloader import normalised, pixels
from fastv.miniature.training.grounding_labels import Facts, Mention, Place, Reader, facts
from fastv.miniature.world.paraphrase import reworded
from fastv.miniature.world.question_templates import TASKS
from fastv.miniature.world.questions import questions
from fastv.miniature.world.scenes import GRID, Scene, patch_labels

VISUAL_TOKENS = GRID * GRID
# What is learnt late is asked more often, what is soon known less.
_EMPHASIS = {
    "relation": 2.0,
    "count category": 2.0,
    "sign": 2.0,
    "describe": 2.0,
    "count": 1.5,
    "what at": 1.5,
    "compare": 1.5,
    "choice": 2.5,
    "colour": 0.5,
}


@dataclass(frozen=True)
class Asked:
    """A question's token ids, its answer's (with the end token), its task's index, and the things and places it
    names.
    """

    prompt: list[int]
    answer: list[int]
    task: int
    mentions: list[Mention]
    places: list[Place]


@dataclass(frozen=True)
class Example:
    """One scene's learning: its picture, uint8 (3, 336, 336), what is known of each patch (label: int64 (576,)), and
    questions.
    """

    pixels: torch.Tensor
    labels: dict[str, torch.Tensor]
    asked: list[Asked]


class Questioner:
    """Turns scenes into examples, with the questions in other words where ``varied``; picklable, so that it can work in
    the feeding process."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, number: int, *, varied: bool = False):
        self.tokenizer, self.number, self.varied, self.reader = tokenizer, number, varied, Reader(tokenizer)

    def __call__(self, made: Scene) -> Example:
        asked, wording = [], random.Random(f"wording {made.seed}")
        for question in questions(made, self.number, random.Random(f"questions {made.seed}"), emphasis=_EMPHASIS):
            text = reworded(question.text, question.task, wording) if self.varied else question.text
            prompt, answer = (
                self.tokenizer(part, add_special_tokens=False).input_ids
                for part in (block(text), f" {question.answer}")
            )
            asked.append(
                Asked(
                    prompt,
                    [*answer, self.tokenizer.eos_token_id],
                    TASKS.index(question.task),
                    self.reader.mentions(made, prompt),
                    self.reader.places(made, prompt),
                )
            )
        return Example(
            pixels(made), {label: torch.from_numpy(values) for label, values in patch_labels(made).items()}, asked
        )


@dataclass(frozen=True)
class Packed:
    """A batch of packed sequences of ``n`` tokens.

    input_ids, position_ids: int64 (batch, n). visible: bool (batch, 1, n, n), who may look at whom. pixels: float32
    (batch, 3, 336, 336). patches: int64 (batch, v), the patches whose tokens are there. labels: int64 (batch, v) each,
    see ``scenes.patch_labels``. rows, columns: int64 (m,), where each of the m answer tokens is predicted; targets: the
    tokens; owner: int64 (m,), which question each belongs to; tasks: int64 (questions,). facts: what is true of the
    things and places the questions name.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    visible: torch.Tensor
    pixels: torch.Tensor
    patches: torch.Tensor
    labels: dict[str, torch.Tensor]
    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor
    owner: torch.Tensor
    tasks: torch.Tensor
    facts: Facts


def pack(examples: list[Example], tokenizer: PreTrainedTokenizerFast, patches: torch.Tensor) -> Packed:
    """The batch of examples, with the visual tokens of ``patches`` (int64 (batch, v), ascending) only, each at its own
    position.
    """
    opening = tokenizer(OPENING).input_ids
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    start = opening.index(image)
    prefix_ids = opening[:start] + [image] * patches.shape[1]
    after = start + VISUAL_TOKENS
    length = len(prefix_ids) + max(
        sum(len(asked.prompt) + len(asked.answer) for asked in example.asked) for example in examples
    )
    input_ids = torch.full((len(examples), length), tokenizer.pad_token_id)
    position_ids = torch.zeros(len(examples), length, dtype=torch.long)
    blocks = torch.full((len(examples), length), -1)
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    tasks: list[int] = []
    mentions: list[tuple[int, int, Mention]] = []
    places: list[tuple[int, int, Place]] = []
    for row, example in enumerate(examples):
        input_ids[row, : len(prefix_ids)] = torch.tensor(prefix_ids)
        position_ids[row, : len(prefix_ids)] = torch.cat([torch.arange(start), start + patches[row]])
        blocks[row, : len(prefix_ids)] = 0
        at = len(prefix_ids)
        for number, asked in enumerate(example.asked, start=1):
            ids = asked.prompt + asked.answer
            end = at + len(ids)
            input_ids[row, at:end] = torch.tensor(ids)
            position_ids[row, at:end] = torch.arange(after, after + len(ids))
            blocks[row, at:end] = number
            rows += [row] * len(asked.answer)
            columns += range(at + len(asked.prompt) - 1, end - 1)
            targets += asked.answer
            owner += [len(tasks)] * len(asked.answer)
            tasks.append(asked.task)
            mentions += [(row, at + mention.at, mention) for mention in asked.mentions]
            places += [(row, at + place.at, place) for place in asked.places]
            at = end
    same = (blocks[:, :, None] == blocks[:, None, :]) | (blocks[:, None, :] == 0)
    visible = (same & torch.ones(length, length, dtype=torch.bool).tril())[:, None]
    return Packed(
        input_ids,
        position_ids,
        visible,
        normalised(torch.stack([example.pixels for example in examples])),
        patches,
        {
            label: torch.stack([example.labels[label] for example in examples]).gather(1, patches)
            for label in examples[0].labels
        },
        rows=torch.tensor(rows),
        columns=torch.tensor(columns),
        targets=torch.tensor(targets),
        owner=torch.tensor(owner),
        tasks=torch.tensor(tasks),
        facts=facts(mentions, places),
    )
