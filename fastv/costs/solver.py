"""Which (K, R) fits a budget: a solver over ``fastv.costs.flops``, and presets read from data files.

A budget is an upper bound, and every figure in it has a convention (see ``fastv.costs.flops``). "Equal to another model" can
be meant in two ways that differ when the models differ in depth: the total over all decoder layers, or, as in the FastV
paper's Table 1, the average of one layer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastv.costs.flops import CONVENTIONS, Cost, check_budget, cost
from fastv.errors import InvalidBudgetError
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.paths import PRESETS
from fastv.validation import one_of, real

Named = TypeVar("Named")
FOLDER = PRESETS

#: What a target may bound: fields of ``Cost`` that fall as R rises.
QUANTITIES = ("decoder_prefill_flops", "layer_average_flops", "prefill_flops", "total_flops", "kv_cache_bytes")
#: What "as much as that model" may mean, and the quantity it compares.
BASES = {"total": "decoder_prefill_flops", "per-layer": "layer_average_flops"}

_ROUNDING = 1e-9  # relative; far below one token, far above what floats lose


@dataclass(frozen=True)
class Workload:
    """A prompt and its answer, in tokens; ``visual_tokens`` are those of all ``pictures`` together (None: one, if any).

    ``batch`` such prompts are read and answered at the same time.
    """

    text_tokens: int = 36
    visual_tokens: int = 576
    answer_tokens: int = 1
    pictures: int | None = None
    dtype: str = "float16"
    batch: int = 1

    def cost(self, config: Any, k: int | None, r: float, convention: str) -> Cost:
        one = cost(
            config,
            text_tokens=self.text_tokens,
            visual_tokens=self.visual_tokens,
            pictures=self.pictures,
            answer_tokens=self.answer_tokens,
            dtype=self.dtype,
            k=k,
            r=r,
            convention=convention,
        )
        return one if self.batch == 1 else one.for_batch(self.batch)


@dataclass(frozen=True)
class Target:
    """At most ``amount`` (FLOPs or bytes) of ``quantity``, one of QUANTITIES, counted by ``convention``."""

    quantity: str
    amount: float
    convention: str = "paper"

    def __post_init__(self) -> None:
        _check_quantity(self.quantity)
        one_of(self.convention, "convention", CONVENTIONS, error=InvalidBudgetError)
        real(self.amount, "A target amount", above=0, error=InvalidBudgetError)

    @classmethod
    def of_model(
        cls,
        config: Any,
        workload: Workload,
        quantity: str,
        convention: str = "paper",
        *,
        k: int | None = None,
        r: float = 0.0,
        ratio: float = 1.0,
    ) -> Target:
        """``ratio`` times what a model, another or the same, takes for ``workload``, by default without FastV."""
        _check_quantity(quantity)
        return cls(quantity, ratio * getattr(workload.cost(config, k, r, convention), quantity), convention)


@dataclass(frozen=True)
class Solution:
    """The least pruning at layer ``k`` that stays within a target.

    ``r`` leaves exactly ``kept`` visual tokens and then costs ``amount``; one more would exceed the target.
    ``continuous_r`` is where the cost would meet the target if parts of a token could be kept (0 without pruning).
    """

    k: int
    r: float
    kept: int
    continuous_r: float
    amount: float


@dataclass(frozen=True)
class NotReachable:
    """No R at layer ``k`` meets the target; with every visual token dropped it still costs ``least``."""

    k: int
    least: float
    reason: str


def solve(config: Any, workload: Workload, target: Target, k: int) -> Solution | NotReachable:
    """The R for one K, exact to one visual token. Raises InvalidBudgetError for a K the model does not have."""
    shape, visual = read_shape(config), workload.visual_tokens
    check_budget(k, 0.0, shape.decoder.layers)

    def amount(kept: int) -> float:
        r = 1 - kept / visual if visual else 0.0
        return getattr(workload.cost(shape, k, r, target.convention), target.quantity)

    limit = target.amount * (1 + _ROUNDING)
    kept, above = 0, visual  # amount(kept) is within the limit, amount(above) is not
    if (most := amount(visual)) <= limit:
        return Solution(k, 0.0, visual, 0.0, most)
    if (least := amount(0)) > limit:
        return NotReachable(k, least, _reason(shape, k, visual, least / target.amount))
    while above - kept > 1:
        middle = (kept + above) // 2
        kept, above = (middle, above) if amount(middle) <= limit else (kept, middle)
    # Between neighbours the cost is all but straight: it bends by well under a hundredth of a token.
    low, high = amount(kept), amount(above)
    between = min(max((target.amount - low) / (high - low), 0.0), 1.0)
    return Solution(k, 1 - kept / visual, kept, 1 - (kept + between) / visual, low)


def solve_all(
    config: Any, workload: Workload, target: Target, ks: Iterable[int] | None = None
) -> tuple[Solution | NotReachable, ...]:
    """``solve`` for each K in ``ks``, by default every layer of the model."""
    shape = read_shape(config)
    return tuple(solve(shape, workload, target, k) for k in (range(shape.decoder.layers) if ks is None else ks))


def _check_quantity(quantity: str) -> None:
    if quantity not in QUANTITIES:
        raise InvalidBudgetError(f"A target is one of {', '.join(QUANTITIES)}, not {quantity!r}.")


def _reason(shape: ModelShape, k: int, visual: int, ratio: float) -> str:
    share = f"{100 * ratio:.1f}% of the target"
    if not visual:
        return f"The prompt has no visual token to drop, and costs {share}."
    if k == 0:
        return f"Without a single visual token the prompt still costs {share}."
    return (
        f"Even if every visual token is dropped on entering layer {k}, the cost is {share}: "
        f"{k} of {shape.decoder.layers} layers have read the whole prompt by then. A smaller K costs less."
    )


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
            check_budget(self.k, self.r, read_shape(config).decoder.layers)
            return self.k, self.r
        found = solve(config, workload, self.target.target(reference, workload), self.k)
        if isinstance(found, NotReachable):
            raise InvalidBudgetError(f"{self.name}: {found.reason}")
        return found.k, found.r


@dataclass(frozen=True)
class PresetProblem:
    """A preset file that was skipped, and why."""

    file: str
    reason: str


def load_presets(folder: str | Path = FOLDER) -> tuple[tuple[Preset, ...], tuple[PresetProblem, ...]]:
    """All presets of a folder, in the order of their file names, and the files that could not be used."""
    return read_files(folder, _preset)


def read_files(
    folder: str | Path, parse: Callable[[Any], Named]
) -> tuple[tuple[Named, ...], tuple[PresetProblem, ...]]:
    """What ``parse`` makes of the JSON files of a folder, each ``name`` once, and the files it raises an error for."""
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
