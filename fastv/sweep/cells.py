"""What a sweep asks and gets: a question at a cell, which is a pruning config of its grid or no pruning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from fastv.pruning.config import PruningConfig
from fastv.sweep.datasets.base import Sample

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
    prefill_seconds, total_seconds : float or None
        In records of earlier versions, which timed every answer; see ``CellTime``.
    total_flops : float or None
        Computed for this prompt and answer, ``exact`` convention; None where they are not known of the model's parts.
    shared_layers : int or None
        Layers that were not run but taken over from the pass without pruning; None in earlier records.
    problem : str or None
        Why the method cannot serve this question; there is no answer then.
    """

    config: Cell
    answer: str
    answer_tokens: int
    prefill_seconds: float | None = None
    total_seconds: float | None = None
    total_flops: float | None = None
    shared_layers: int | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return _to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellAnswer:
        """From what ``to_dict`` gives. Raises KeyError, TypeError or InvalidBudgetError for anything else."""
        return cls(**_with_config(data))


@dataclass(frozen=True)
class CellTime:
    """One timed answer at one cell: a pass by itself, which shares nothing and is in no batch.

    Attributes
    ----------
    config : PruningConfig or None
        The cell; None without pruning.
    prefill_seconds, total_seconds : float
        To the first and to the last token; the method's own time is part of them.
    method_seconds : float or None
        Spent in the method's own choice of tokens; None without pruning, and in earlier records.
    kv_cache_bytes : int or None
        Keys and values when the last token is out; None in earlier records.
    peak_bytes : int or None
        The most memory in use, weights included; measured on one question of a sweep, in a pass that is not timed.
    """

    config: Cell
    prefill_seconds: float
    total_seconds: float
    method_seconds: float | None = None
    kv_cache_bytes: int | None = None
    peak_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return _to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellTime:
        """From what ``to_dict`` gives. Raises KeyError, TypeError or InvalidBudgetError for anything else."""
        return cls(**_with_config(data))


def _to_dict(value: CellAnswer | CellTime) -> dict[str, Any]:
    """What is not known is left out."""
    known = {field.name: getattr(value, field.name) for field in fields(value)}
    config = known.pop("config")
    found = {name: entry for name, entry in known.items() if entry is not None}
    return {"config": config and config.to_dict(), **found}


def _with_config(data: Mapping[str, Any]) -> dict[str, Any]:
    config = data["config"]
    return {**data, "config": config and PruningConfig.from_dict(config)}


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
