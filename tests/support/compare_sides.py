"""Comparisons as tests write them: the settings of the candidate and of the run in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastv.loading.load import LoadedModel
from fastv.measurement import compare as compare_module
from fastv.measurement.compare import Comparison, Progress, RunSettings, Side
from fastv.pruning.config import PruningConfig


def side_of(loaded: LoadedModel, k: int | None = None, r: float = 0.0, method: str = "fastv", seed: int = 0) -> Side:
    return Side(loaded, None if k is None else PruningConfig(method, k, r, seed))


def compare(
    loaded: LoadedModel,
    picture: Any,
    question: str,
    *,
    k: int | None = 2,
    r: float = 0.5,
    method: str = "fastv",
    seed: int = 0,
    baseline: Side | None = None,
    unwanted: Any = lambda: False,
    **settings: Any,
) -> Iterator[Progress | Comparison]:
    return compare_module.compare(
        side_of(loaded, k, r, method, seed),
        picture,
        question,
        baseline=baseline,
        settings=RunSettings(**settings),
        unwanted=unwanted,
    )
