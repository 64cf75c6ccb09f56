"""Presets: pruning settings with a name, read from data files, for one model or for two beside each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fastv.costs.flops import CONVENTIONS, check_pruning
from fastv.costs.solver import BASES, NotReachable, Target, Workload, solve
from fastv.errors import InvalidBudgetError
from fastv.families.config_reader import read_shape
from fastv.paths import PRESETS


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_HasName)


@dataclass(frozen=True)
class Equivalence:
    """As cheap as ``model``, a name of the catalogue, without FastV; ``basis`` is a key of BASES."""

    model: str
    basis: str
    convention: str = "paper"

    def __post_init__(self) -> None:
        for field, value, known in (("basis", self.basis, BASES), ("convention", self.convention, CONVENTIONS)):
            if value not in tuple(known):
                raise InvalidBudgetError(f"a target's {field} is one of {', '.join(known)}, not {value!r}")
        if not isinstance(self.model, str):
            raise InvalidBudgetError(f"a target's model is a name, not {self.model!r}")

    def target(self, reference: Any, workload: Workload) -> Target:
        """``reference``: the config of ``model``."""
        return Target.of_model(reference, workload, BASES[self.basis], self.convention)


@dataclass(frozen=True)
class Preset:
    """A budget with a name. Either ``r`` is given, or it follows from ``target`` for the model it is applied to.

    ``models``: names of the models it is meant for, empty for all; ``default_for``: those it is the first choice for.
    """

    name: str
    sentence: str
    source: str
    k: int
    r: float | None = None
    target: Equivalence | None = None
    models: tuple[str, ...] = ()
    default_for: tuple[str, ...] = ()

    def resolve(self, config: Any, workload: Workload, reference: Any = None) -> tuple[int, float]:
        """(K, R) for a model and prompt; ``reference`` is the config of ``target.model`` where there is a target.

        Raises InvalidBudgetError where the model has no layer K or the target is not reachable.
        """
        if self.target is None:
            r = 0.0 if self.r is None else self.r
            check_pruning(self.k, r, read_shape(config).decoder.layers)
            return self.k, r
        found = solve(config, workload, self.target.target(reference, workload), self.k)
        if isinstance(found, NotReachable):
            raise InvalidBudgetError(f"{self.name}: {found.reason}")
        return found.k, found.r


@dataclass(frozen=True)
class PresetProblem:
    """A preset file that was skipped, and why."""

    file: str
    reason: str


def load_presets(folder: str | Path = PRESETS) -> tuple[tuple[Preset, ...], tuple[PresetProblem, ...]]:
    """All presets of a folder, in the order of their file names, and the files that could not be used."""
    return read_files(folder, _preset)


def read_files(
    folder: str | Path, parse: Callable[[Any], Named]
) -> tuple[tuple[Named, ...], tuple[PresetProblem, ...]]:
    """The parsed JSON files of a folder, each ``name`` once, and the files that ``parse`` raises an error for."""
    if not Path(folder).is_dir():
        return (), (PresetProblem(Path(folder).name, "there is no such folder"),)
    found: dict[str, Named] = {}
    problems = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            one = parse(json.loads(path.read_text(encoding="utf-8")))
            if one.name in found:
                raise ValueError(f"the name {one.name!r} is taken by an earlier file")
            found[one.name] = one
        except (OSError, ValueError, TypeError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or str(error)  # an OSError's text would show the whole path
            problems.append(PresetProblem(path.name, reason))
    return tuple(found.values()), tuple(problems)


def check_fields(data: Any, kinds: Mapping[str, Any], needed: Iterable[str]) -> None:
    """Raises ValueError unless ``data`` is a JSON object of fields of these kinds, the needed ones among them."""
    if not isinstance(data, dict):
        raise ValueError("a preset is a JSON object")
    if unknown := sorted(data.keys() - kinds.keys()):
        raise ValueError(f"unknown field {unknown[0]!r}")
    for field in needed:
        if data.get(field) in (None, ""):
            raise ValueError(f"{field!r} is missing")
    for field, value in data.items():
        if not isinstance(value, kinds[field]) or (isinstance(value, bool) and kinds[field] is not bool):
            raise ValueError(f"{field!r} cannot be {value!r}")


def _preset(data: Any) -> Preset:
    """A checked preset. Raises ValueError or TypeError with the reason."""
    kinds = {
        "name": str,
        "sentence": str,
        "source": str,
        "k": int,
        "r": (int, float),
        "target": dict,
        "models": list,
        "default_for": list,
    }
    check_fields(data, kinds, ("name", "sentence", "source", "k"))
    for field in ("models", "default_for"):
        data[field] = tuple(data.get(field, ()))
        if not all(isinstance(name, str) for name in data[field]):
            raise ValueError(f"{field!r} is a list of model names")
    if ("r" in data) == ("target" in data):
        raise ValueError("give either 'r' or 'target'")
    if data["k"] < 0 or not 0 <= data.get("r", 0) <= 1:
        raise ValueError("'k' must be 0 or more and 'r' from 0 to 1")
    if "target" in data:
        data["target"] = Equivalence(**data["target"])
    return Preset(**data)


@dataclass(frozen=True)
class Pair:
    """A model at a preset, beside the model whose cost that preset is made to meet.

    Parameters
    ----------
    model
        A key of the catalogue.
    preset
        One that has a target.
    gpu
        Whether it needs a GPU.
    """

    model: str
    preset: Preset
    gpu: bool = False

    def __post_init__(self) -> None:
        if self.preset.target is None:
            raise ValueError(f"the preset {self.preset.name!r} meets no other model's cost")

    @property
    def beside(self) -> str:
        """The model beside it."""
        assert self.preset.target is not None  # as checked above
        return self.preset.target.model


@dataclass(frozen=True)
class PairPreset:
    """A comparison with a name; ``pairs`` are tried in their order until one is available."""

    name: str
    sentence: str
    source: str
    pairs: tuple[Pair, ...]

    def pair(self, is_available: Callable[[Pair], bool]) -> Pair | None:
        """The first of its pairs that is available."""
        return next(filter(is_available, self.pairs), None)


def load_pair_presets(
    presets: tuple[Preset, ...], folder: str | Path = PRESETS / "duels"
) -> tuple[tuple[PairPreset, ...], tuple[PresetProblem, ...]]:
    """All pair presets of a folder, in the order of their file names, and the files that could not be used.

    presets: those that the files may name.
    """
    named = {preset.name: preset for preset in presets}
    return read_files(folder, lambda data: _pair_preset(data, named))


def _pair_preset(data: Any, presets: dict[str, Preset]) -> PairPreset:
    """A checked pair preset. Raises ValueError with the reason."""
    check_fields(
        data, {"name": str, "sentence": str, "source": str, "pairs": list}, ("name", "sentence", "source", "pairs")
    )
    if not data["pairs"]:
        raise ValueError("'pairs' is empty")
    return PairPreset(
        data["name"], data["sentence"], data["source"], tuple(_pair(pair, presets) for pair in data["pairs"])
    )


def _pair(data: Any, presets: dict[str, Preset]) -> Pair:
    check_fields(data, {"model": str, "preset": str, "gpu": bool}, ("model", "preset"))
    preset = presets.get(data["preset"])
    if preset is None or preset.target is None:
        raise ValueError(f"there is no preset {data['preset']!r} that meets another model's cost")
    if preset.models and data["model"] not in preset.models:
        raise ValueError(f"the preset {preset.name!r} is not meant for {data['model']!r}")
    return Pair(data["model"], preset, data.get("gpu", False))
