"""Presets for both sides at once: a model at a budget as dear as a smaller one, beside that one without FastV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastv.costs.solver import FOLDER, Preset, PresetProblem, check_fields, read_files


@dataclass(frozen=True)
class Pair:
    """``model`` at ``preset``, beside the model whose cost that preset is made to meet. gpu: whether it wants one."""

    model: str
    preset: Preset
    gpu: bool = False

    @property
    def beside(self) -> str:
        return self.preset.target.model


@dataclass(frozen=True)
class Duel:
    """A comparison with a name; ``pairs`` are tried in their order until one can be had."""

    name: str
    sentence: str
    source: str
    pairs: tuple[Pair, ...]

    def pair(self, can_be_had: Callable[[Pair], bool]) -> Pair | None:
        """The first of its pairs that can be had."""
        return next(filter(can_be_had, self.pairs), None)


def load_duels(
    presets: tuple[Preset, ...], folder: str | Path = FOLDER / "duels"
) -> tuple[tuple[Duel, ...], tuple[PresetProblem, ...]]:
    """All duels of a folder, in the order of their file names, and the files that could not be used.

    presets: those that the files may name.
    """
    named = {preset.name: preset for preset in presets}
    return read_files(folder, lambda data: _duel(data, named))


def _duel(data: Any, presets: dict[str, Preset]) -> Duel:
    """A checked duel. Raises ValueError with the reason."""
    check_fields(
        data, {"name": str, "sentence": str, "source": str, "pairs": list}, ("name", "sentence", "source", "pairs")
    )
    if not data["pairs"]:
        raise ValueError("'pairs' is empty")
    return Duel(data["name"], data["sentence"], data["source"], tuple(_pair(pair, presets) for pair in data["pairs"]))


def _pair(data: Any, presets: dict[str, Preset]) -> Pair:
    check_fields(data, {"model": str, "preset": str, "gpu": bool}, ("model", "preset"))
    preset = presets.get(data["preset"])
    if preset is None or preset.target is None:
        raise ValueError(f"there is no preset {data['preset']!r} that meets another model's cost")
    if preset.models and data["model"] not in preset.models:
        raise ValueError(f"the preset {preset.name!r} is not meant for {data['model']!r}")
    return Pair(data["model"], preset, data.get("gpu", False))
