"""How much of each thing a ranking keeps, in reading order, read from assets/measured/reading_order/<model>.json.

``miniature.evaluation.reading_order`` measures it on scenes of six things that are to be described. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from fastv.evidence import measurements

THINGS = 6
_Z = 1.96


@dataclass(frozen=True)
class KeptInOrder:
    """One (K, R, method) over all scenes.

    Attributes
    ----------
    k, r, method
        As in ``PruningConfig``.
    scenes : int
    shares, deviations : tuple of float
        For each of ``THINGS`` things in reading order the share of its patches that is kept: mean and standard
        deviation over the scenes.
    """

    k: int | None
    r: float
    method: str
    scenes: int
    shares: tuple[float, ...]
    deviations: tuple[float, ...]

    @property
    def margin(self) -> float:
        """Half of the widest 95% confidence interval of a mean."""
        return _Z * max(self.deviations) / sqrt(self.scenes)


def folder() -> Path:
    """The folder of the records."""
    return measurements.FOLDER / "reading_order"


def all_kept_in_order() -> dict[str, tuple[KeptInOrder, ...]]:
    """By model's name. Raises ValueError, naming the file, where one cannot be used."""
    found = {}
    for path in sorted(folder().glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found[record["model"]] = parsed(record)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: {error!r}") from error
    return found


def parsed(record: Mapping[str, Any]) -> tuple[KeptInOrder, ...]:
    """From what ``miniature.evaluation.reading_order`` writes. Raises KeyError or TypeError for anything else."""
    points = []
    for point in record["points"]:
        lists = {name: tuple(point[name]) for name in ("shares", "deviations")}
        points.append(KeptInOrder(**{**point, **lists}))
    return tuple(points)
