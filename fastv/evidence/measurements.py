"""What this project measured of its own models, read from assets/measured/; see ``miniature.evaluation.grid``.

A file holds for each (K, R, method) which questions were answered right; shares, changes and their intervals are
computed from that, so that any two points can be compared question by question. No torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from fastv.paths import ASSETS
from fastv.pruning.config import chosen_by
from fastv.pruning.methods.registry import with_method
from fastv.stats import Change, Score

FOLDER = ASSETS / "measured"


@dataclass(frozen=True)
class MeasuredPoint:
    """One (K, R, method) of a model, or the model without pruning.

    Attributes
    ----------
    k, r, method
        As in ``PruningConfig``; None, 0 and None without pruning.
    marks : tuple of bool
        Question by question, whether the answer was right.
    answer_tokens : float
        Mean over the questions.
    prefill_flops, total_flops : float
        Computed, means over the questions at their own lengths and with the answers given; ``exact`` convention, with
        vision tower, projector and lm_head.
    paper_prefill_flops, paper_total_flops : float
        The same by the ``paper`` convention, decoder layers alone.
    first_token_seconds, unpruned_seconds : float
        Of one prompt of median length, vision tower included: medians of runs at this point, and of runs without
        pruning that took turns with them.
    """

    k: int | None
    r: float
    method: str | None
    marks: tuple[bool, ...]
    answer_tokens: float
    prefill_flops: float
    total_flops: float
    paper_prefill_flops: float
    paper_total_flops: float
    first_token_seconds: float
    unpruned_seconds: float

    @property
    def time_ratio(self) -> float:
        """Time to first token as a share of the same model's without pruning, measured in turn."""
        return self.first_token_seconds / self.unpruned_seconds


@dataclass(frozen=True)
class Measured:
    """All points of one model.

    Attributes
    ----------
    model, command : str
        The model's name, and the command that measured it.
    weights : str
        The ``fingerprint`` of the checkpoint.
    machine : mapping
        Where it was timed, see ``measurement.machine.Machine``.
    tasks : tuple of str
        Of each question.
    visual_tokens : int
        Of a prompt.
    text_tokens : float
        Of a prompt, mean.
    repeats : int
        Timed runs of each point.
    layers : int
        Of the decoder.
    dtype : str
    points : tuple of MeasuredPoint
    """

    model: str
    command: str
    weights: str
    machine: Mapping[str, Any]
    tasks: tuple[str, ...]
    visual_tokens: int
    text_tokens: float
    repeats: int
    layers: int
    dtype: str
    points: tuple[MeasuredPoint, ...]

    @property
    def unpruned(self) -> MeasuredPoint:
        return next(point for point in self.points if point.k is None)

    @property
    def pruned(self) -> tuple[MeasuredPoint, ...]:
        return tuple(point for point in self.points if point.k is not None)

    def point(self, k: int | None, r: float, method: str | None = "fastv") -> MeasuredPoint | None:
        """The point at K and R, of the method that decides there. None where it was not measured."""
        wanted = (k, None if k is None or method is None else chosen_by(method, k))
        found = (point for point in self.points if (point.k, point.method) == wanted and abs(point.r - r) < 1e-6)
        return next(found, None)

    def seconds(self, point: MeasuredPoint) -> float:
        """To the first token, as if all points had been timed in the minute of the one without FastV."""
        return point.time_ratio * self.unpruned.first_token_seconds

    def score(self, point: MeasuredPoint, task: str | Collection[str] | None = None) -> Score:
        """Right answers at ``point``, of all questions or of those of one task or of several."""
        return Score.of(self._of(task, point.marks))

    def change(
        self, point: MeasuredPoint, task: str | Collection[str] | None = None, since: MeasuredPoint | None = None
    ) -> Change:
        """From ``since``, which may be of another model asked the same, to ``point``; by default from no FastV."""
        before = (since or self.unpruned).marks
        return Change.of(self._of(task, before), self._of(task, point.marks))

    def _of(self, task: str | Collection[str] | None, marks: Sequence[bool]) -> list[bool]:
        if task is None:
            return list(marks)
        wanted = (task,) if isinstance(task, str) else task
        return [mark for mark, its in zip(marks, self.tasks, strict=True) if its in wanted]


def measured(model: str) -> Measured | None:
    """What was measured of a model of the catalogue; None if nothing was."""
    return all_measured().get(model)


def all_measured() -> dict[str, Measured]:
    """Every model that was measured over the grid, by key. Raises ValueError, naming a file that cannot be used."""
    return _all_of(FOLDER)


def duels() -> dict[str, Measured]:
    """The same models at settings of one cost, over many questions that the grid does not ask. Raises as above."""
    return _all_of(FOLDER / "duels")


@lru_cache(maxsize=2)
def _all_of(folder: Path) -> dict[str, Measured]:
    found = {}
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.jsonl")]):
        try:
            record = parsed(read_document(path))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name}: {error!r}") from error
        if any(point.k is None for point in record.points):  # else the sweep has hardly begun
            found[record.model] = record
    return found


def read_document(path: Path) -> dict[str, Any]:
    """A record file as one document: its header, and its records as ``points``.

    The file is JSON Lines, header first (an incomplete last line is left out), or, of earlier versions, one JSON
    object.
    Raises ValueError for anything else.
    """
    text = path.read_text(encoding="utf-8")
    try:
        whole = json.loads(text)
    except ValueError:
        header, *points = (json.loads(line) for line in text.split("\n")[:-1])
        return {**header, "points": points}
    return {"points": [], **whole}


def parsed(data: Mapping[str, Any]) -> Measured:
    """From what a sweep writes. Raises ValueError, KeyError or TypeError for anything else."""
    names = data["task_names"]
    tasks = tuple(names[int(letter, 36)] for letter in data["tasks"])
    points = tuple(_point(point, len(tasks)) for point in data["points"])
    return Measured(
        model=data["model"],
        command=data["command"],
        weights=data["weights"],
        machine=data["machine"],
        tasks=tasks,
        visual_tokens=data["visual_tokens"],
        text_tokens=data["text_tokens"],
        repeats=data["repeats"],
        layers=data["layers"],
        dtype=data["dtype"],
        points=points,
    )


def _point(data: Mapping[str, Any], questions: int) -> MeasuredPoint:
    data = with_method(data)
    plain = {
        name: data[name]
        for name in (
            "k",
            "r",
            "method",
            "answer_tokens",
            "prefill_flops",
            "total_flops",
            "paper_prefill_flops",
            "paper_total_flops",
        )
    }
    return MeasuredPoint(
        **plain,
        marks=unpacked(data["right"], questions),
        first_token_seconds=median(data["seconds"]),
        unpruned_seconds=median(data["unpruned_seconds"]),
    )


def packed(marks: Iterable[bool]) -> str:
    """Marks as hexadecimal digits, the first mark in the first digit's highest bit."""
    bits = "".join("1" if mark else "0" for mark in marks)
    digits = -(-len(bits) // 4)
    return f"{int(bits.ljust(4 * digits, '0') or '0', 2):0{digits}x}"


def unpacked(digits: str, count: int) -> tuple[bool, ...]:
    """The inverse of ``packed``. Raises ValueError if there are not digits for ``count`` marks."""
    if len(digits) != -(-count // 4):
        raise ValueError(f"{len(digits)} digits are not those of {count} marks")
    return tuple(bit == "1" for bit in f"{int(digits, 16):0{4 * len(digits)}b}"[:count])


def fingerprint(folder: Path) -> str:
    """Tells one checkpoint's weights from another's: SHA-256 of its safetensors files, the first 16 digits."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
