"""How each layer of a measured model looks at the picture and needs it, read from assets/measured/layers/<model>.json.

``miniature.evaluation.layer_profile`` measures it. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastv.evidence import measurements
from fastv.evidence.measurements import unpacked
from fastv.stats import Change, Score

Cells = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Withdrawal:
    """Answers with all visual tokens dropped on entering layer ``k`` (None: with all of them), question by question."""

    k: int | None
    marks: tuple[bool, ...]


@dataclass(frozen=True)
class LayerProfile:
    """A model's layers over many scenes.

    Attributes
    ----------
    model, command, weights : str
        As in ``measurements.Measured``.
    scenes : int
        Whose attention was read, a question each.
    attention, answer_attention : tuple of mapping
        For each layer the share of attention that each part of the prompt and answer gets ("system", "image",
        "question", "answer"): of the last prompt token, and of all tokens that write the answer.
    image_deviation : tuple of float
        The standard deviation over scenes of the image's share in ``attention``.
    kept_cells, kept_cells_unrotated : tuple of Cells
        For each layer, when the last prompt token's attention in it ranks and half of the visual tokens is kept: the
        share that is kept of the patches of each cell of a square grid over the picture; with queries and keys as they
        are, and without their rotary embedding.
    thing_cells : Cells
        The share of each cell's patches that show a thing.
    tasks : tuple of str
        Of each question that ``withdrawn`` marks.
    withdrawn : tuple of Withdrawal
        By ``k``, the one with all visual tokens first.
    """

    model: str
    command: str
    weights: str
    scenes: int
    attention: tuple[Mapping[str, float], ...]
    image_deviation: tuple[float, ...]
    answer_attention: tuple[Mapping[str, float], ...]
    kept_cells: tuple[Cells, ...]
    kept_cells_unrotated: tuple[Cells, ...]
    thing_cells: Cells
    tasks: tuple[str, ...]
    withdrawn: tuple[Withdrawal, ...]

    @property
    def layers(self) -> int:
        return len(self.attention)

    @property
    def image(self) -> tuple[float, ...]:
        """The picture's share of the last prompt token's attention in each layer."""
        return tuple(layer["image"] for layer in self.attention)

    def score(self, point: Withdrawal) -> Score:
        return Score.of(point.marks)

    def change(self, point: Withdrawal) -> Change:
        """From all visual tokens in all layers."""
        return Change.of(self.withdrawn[0].marks, point.marks)


def thirds(cells: Cells) -> tuple[float, float, float]:
    """The shares of what is counted that lie in the upper, middle and lower third of the picture."""
    rows, side = [sum(row) for row in cells], len(cells) // 3
    upper, middle, lower = (sum(rows[start : start + side]) / sum(rows) for start in (0, side, 2 * side))
    return upper, middle, lower


@lru_cache(maxsize=1)
def layer_profiles() -> dict[str, LayerProfile]:
    """By model's name. Raises ValueError, naming the file, where one cannot be used."""
    found = {}
    for path in sorted(folder().glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found[record["model"]] = parsed(record)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: {error!r}") from error
    return found


def folder() -> Path:
    """The folder of the records."""
    return measurements.FOLDER / "layers"


def parsed(record: Mapping[str, Any]) -> LayerProfile:
    """From what ``miniature.evaluation.layer_profile`` writes. Raises KeyError or TypeError for anything else."""
    tasks = tuple(record["task_names"][index] for index in record["tasks"])
    points = (Withdrawal(point["k"], unpacked(point["right"], len(tasks))) for point in record["withdrawn"])
    return LayerProfile(
        model=record["model"],
        command=record["command"],
        weights=record["weights"],
        scenes=record["attention_scenes"],
        attention=tuple(record["attention"]),
        image_deviation=tuple(record["image_deviation"]),
        answer_attention=tuple(record["answer_attention"]),
        kept_cells=tuple(_shares(cells) for cells in record["kept_cells"]),
        kept_cells_unrotated=tuple(_shares(cells) for cells in record["kept_cells_unrotated"]),
        thing_cells=_shares(record["thing_cells"]),
        tasks=tasks,
        withdrawn=tuple(sorted(points, key=lambda point: -1 if point.k is None else point.k)),
    )


def _shares(thousandths: list[list[int]]) -> Cells:
    return tuple(tuple(cell / 1000 for cell in row) for row in thousandths)
