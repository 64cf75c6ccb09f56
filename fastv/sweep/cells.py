"""One question of a sweep, answered without pruning and at every cell, a pruning config of its grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from fastv.inputs.image import check_question
from fastv.loading.load import LoadedModel
from fastv.measurement.answer_cost import answer_cost
from fastv.measurement.prompt import answer_text, prompt_of
from fastv.measurement.timing import generate
from fastv.pruning.config import PruningConfig
from fastv.sweep.datasets.base import Sample
from fastv.sweep.shown import open_shown

Cell = PruningConfig | None  # None: without pruning


@dataclass(frozen=True)
class CellAnswer:
    """One answer at one cell.

    Attributes
    ----------
    config : PruningConfig or None
        The cell; None without pruning.
    answer : str
    answer_tokens : int
        Generated, an end token included.
    prefill_seconds, total_seconds : float
        To the first and to the last token; the method's own time is part of them.
    total_flops : float or None
        Computed for this prompt and answer, ``exact`` convention; None where they are not known of the model's parts.
    """

    config: Cell
    answer: str
    answer_tokens: int
    prefill_seconds: float
    total_seconds: float
    total_flops: float | None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "config": self.config and self.config.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellAnswer:
        """From what ``to_dict`` gives. Raises KeyError, TypeError or InvalidBudgetError for anything else."""
        config = data["config"]
        return cls(**{**data, "config": config and PruningConfig.from_dict(config)})


def sample_id(sample: Sample) -> str:
    """16 hexadecimal digits of a question and its images' bytes: where it stands in a list does not matter."""
    digest = hashlib.sha256(json.dumps(sample.prompt).encode())
    for file in sample.files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def for_sample(config: PruningConfig, identity: str) -> PruningConfig:
    """The config with a seed of the question's own.

    One seed for all questions would drop the same patches of every image, an effect that no interval over questions
    shows.
    """
    return replace(config, seed=(config.seed + int(identity[:8], 16)) % 2**63)


def answer_question(
    loaded: LoadedModel, sample: Sample, cells: Sequence[Cell], *, answer_tokens: int, first: int = 0
) -> list[CellAnswer]:
    """Answer one question at several cells, one after the other.

    Parameters
    ----------
    loaded
        The model.
    sample
        The question and its image.
    cells
        The pruning configs; None for no pruning. A config that draws at random draws anew for every question.
    answer_tokens
        The longest answer, in tokens.
    first
        The index of the cell to begin with. Rotating it from question to question keeps a machine that grows slower
        from favouring the cells that always come first.

    Returns
    -------
    list of CellAnswer
        In the order of ``cells``.

    Raises
    ------
    InvalidInputError
        Where the question or the image cannot be used.
    """
    question = check_question(sample.prompt, loaded.processor.tokenizer)
    prompt = prompt_of(loaded, open_shown(sample), question, answer_tokens=answer_tokens)
    identity, found = sample_id(sample), {}
    for turn in range(len(cells)):
        index = (first + turn) % len(cells)
        config = cells[index]
        method = config and for_sample(config, identity).build()
        with loaded.lock, method(loaded.model) if method else nullcontext():
            measured = generate(loaded.model, prompt.inputs, max_new_tokens=answer_tokens)
        flops = answer_cost(loaded, prompt, len(measured.tokens), config)
        found[index] = CellAnswer(
            config=config,
            answer=answer_text(loaded, measured.tokens),
            answer_tokens=len(measured.tokens),
            prefill_seconds=measured.prefill_seconds,
            total_seconds=measured.total_seconds,
            total_flops=flops.total_flops if flops else None,
        )
    return [found[index] for index in range(len(cells))]
