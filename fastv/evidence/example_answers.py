"""What the miniatures say about the page's example scenes at each step of R, recorded. No torch.

``fastv.miniature.evaluation.example_answers`` writes the files. Of the tokens that are kept at one R all
are kept at a smaller one, so that one digit a token, how many of the recorded steps keep it, holds every mask.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastv.paths import ASSETS

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class ExampleRun:
    """One scene with one method at one K.

    Attributes
    ----------
    answers : tuple of str
        At each recorded R.
    levels : str
        A digit (base 36) for each visual token, row by row: at how many of the recorded R, from the smallest on, it is
        kept.
    """

    answers: tuple[str, ...]
    levels: str

    def kept(self, step: int) -> list[bool]:
        """Whether each visual token is kept at a step of R."""
        return [_DIGITS.index(digit) > step for digit in self.levels]


@dataclass(frozen=True)
class ExampleAnswers:
    """All that was recorded of one model.

    Attributes
    ----------
    model, command, weights, date : str
        The model's name, the command that recorded it, the checkpoint's fingerprint, and the day (ISO 8601).
    question : str
        What was asked about every scene.
    text_tokens : int
        Of the prompt, besides the visual ones.
    grid : (int, int)
        Rows and columns of visual tokens.
    rs : tuple of float
        The recorded R, ascending from 0.
    runs : mapping of (scene seed, method, K) to ExampleRun
    """

    model: str
    command: str
    weights: str
    date: str
    question: str
    text_tokens: int
    grid: tuple[int, int]
    rs: tuple[float, ...]
    runs: Mapping[tuple[int, str, int], ExampleRun]

    def of_scene(self, seed: int) -> dict[tuple[str, int], ExampleRun]:
        """The runs about one scene by (method, K); empty where it was not recorded."""
        return {(method, k): run for (its, method, k), run in self.runs.items() if its == seed}


def folder() -> Path:
    return ASSETS / "measured" / "examples"


@lru_cache
def example_answers(model: str) -> ExampleAnswers | None:
    """What was recorded of a model; None if nothing was. Raises ValueError for a file that cannot be used."""
    path = folder() / f"{model}.json"
    if not model.replace("-", "").isalnum() or not path.is_file():
        return None
    try:
        return parsed(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: {error!r}") from error


def parsed(data: Mapping[str, Any]) -> ExampleAnswers:
    """From what the command writes. Raises ValueError, KeyError or TypeError for anything else."""
    runs, (rows, columns) = {}, data["grid"]
    for seed, its in data["scenes"].items():
        for name, run in its["runs"].items():
            method, k = name.split()
            made = ExampleRun(tuple(its["answers"][index] for index in run["said"]), run["levels"])
            if len(made.answers) != len(data["rs"]) or len(made.levels) != rows * columns:
                raise ValueError(f"scene {seed}, {name}: not one answer for each R, or not one digit for each token")
            runs[int(seed), method, int(k)] = made
    plain = {name: data[name] for name in ("model", "command", "weights", "date", "question", "text_tokens")}
    return ExampleAnswers(**plain, grid=(rows, columns), rs=tuple(data["rs"]), runs=runs)


def packed_levels(masks: Sequence[Sequence[bool]]) -> str:
    """``ExampleRun.levels`` from what each step keeps. Raises ValueError where a token comes back."""
    if len(masks) >= len(_DIGITS):
        raise ValueError(f"at most {len(_DIGITS) - 1} steps, not {len(masks)}")
    levels = []
    for marks in zip(*masks, strict=True):
        level = sum(marks)
        if list(marks) != [True] * level + [False] * (len(marks) - level):
            raise ValueError("a token is kept at one R and dropped at a smaller one")
        levels.append(_DIGITS[level])
    return "".join(levels)
