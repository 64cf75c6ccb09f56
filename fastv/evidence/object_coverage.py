"""How much of the objects in a picture is among the kept tokens, read from assets/measured/things/<model>.json.

``miniature.evaluation.object_coverage`` measures it on scenes whose objects and places are known. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastv.evidence import measurements
from fastv.pruning.methods.registry import with_method


@dataclass(frozen=True)
class KeptThings:
    """One (K, R, method) over the objects of all scenes.

    Attributes
    ----------
    k, r, method
        As in ``PruningConfig``.
    patches, kept : int
        The objects' patches, and those of them that were kept.
    things, lost : int
        The objects, and those that lost nine tenths of their patches or more.
    """

    k: int
    r: float
    method: str
    patches: int
    kept: int
    things: int
    lost: int

    @property
    def kept_share(self) -> float:
        return self.kept / self.patches

    @property
    def lost_share(self) -> float:
        return self.lost / self.things


def folder() -> Path:
    """The folder of the records."""
    return measurements.FOLDER / "things"


def all_kept_things() -> dict[str, tuple[KeptThings, ...]]:
    """By model's name. Raises ValueError, naming the file, where one cannot be used."""
    found = {}
    for path in sorted(folder().glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found[record["model"]] = parsed(record)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: {error!r}") from error
    return found


def parsed(record: Mapping[str, Any]) -> tuple[KeptThings, ...]:
    """From what ``miniature.evaluation.object_coverage`` writes. Raises KeyError or TypeError for anything else."""
    return tuple(KeptThings(**with_method(point)) for point in record["points"])
