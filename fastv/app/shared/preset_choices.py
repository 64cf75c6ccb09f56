"""The presets offered for a model, as pruning configs, and those that set up both sides."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.app.service.model_outline import ModelOutline
from fastv.app.service.model_pool import ModelPool
from fastv.costs import configs
from fastv.costs.memory import DTYPES, parameter_bytes
from fastv.costs.presets import Pair, PairPreset, Preset, load_pair_presets, load_presets
from fastv.costs.solver import Workload
from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.families.catalogue import known_shape
from fastv.formatting import budget
from fastv.pruning.config import PruningConfig

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel

logger = logging.getLogger(__name__)

OWN = "Your own"
OWN_SENTENCE = "Any layer K, any share R. More saving: a smaller K, a larger R."


@dataclass(frozen=True)
class PresetChoice:
    """A preset as it is offered for one model.

    Attributes
    ----------
    pruning
        K and R, the latter in thousandths: exact to a token for up to 1,000 of them. The method is chosen apart.
    pair
        For a preset that sets up both sides: the model it prunes, and the one beside it, which runs without pruning.
    """

    name: str
    sentence: str
    pruning: PruningConfig
    pair: tuple[str, str] | None = None

    @property
    def point(self) -> tuple[int, float]:
        """K and R."""
        return _point(self.pruning)


def _point(pruning: PruningConfig) -> tuple[int, float]:
    return pruning.k, round(pruning.r, 3)


FALLBACK = PresetChoice(OWN, OWN_SENTENCE, PruningConfig(k=0, r=0.5))
_LATER_SENTENCE = (
    "The least K at which attention ranks in this model: the layers before layer {last} keep a state of what they "
    "read, and do not attend."
)


def choices(model: ModelOutline, pool: ModelPool | None = None) -> list[PresetChoice]:
    """The presets that suit a model and that it can follow, its default first; at least ``FALLBACK``, or the least K at
    which attention ranks, where that is later than presets go.

    Files that cannot be read are logged.

    Parameters
    ----------
    pool
        Where there is one, presets of two of its models come last.
    """
    presets, problems = load_presets()
    pair_presets, more_problems = load_pair_presets(presets)
    for problem in (*problems, *more_problems):
        logger.warning("preset %s is left out: %s", problem.file, problem.reason)
    key = model.entry.key
    found: list[PresetChoice] = []
    for preset in sorted(presets, key=lambda preset: key not in preset.default_for):
        if (not preset.models or key in preset.models) and (pruning := _followed(preset, model)):
            found.append(PresetChoice(preset.name, preset.sentence, pruning))
    found = found or [_later(model)]
    if pool is not None:
        found += [choice for preset in pair_presets if (choice := _pair_choice(preset, pool)) is not None]
    return found


def _later(model: ModelOutline) -> PresetChoice:
    k = model.ranked_from
    if not 1 < k < model.layers:
        return FALLBACK
    return PresetChoice(budget(k, 0.5), _LATER_SENTENCE.format(last=k - 1), PruningConfig(k=k, r=0.5))


def _followed(preset: Preset, model: ModelOutline) -> PruningConfig | None:
    """K and R for a model; None where it cannot follow."""
    if 0 < preset.k < model.ranked_from:
        return None
    try:
        return _resolved(preset, model.config)
    except UnsupportedModelError:  # its costs are not known: what needs none of them is left
        if preset.r is None or preset.k >= model.layers:
            return None
        return PruningConfig(k=preset.k, r=round(preset.r, 3))


def _resolved(preset: Preset, config: Any) -> PruningConfig | None:
    """K and R for a model; None where it cannot follow."""
    reference = configs.known().get(preset.target.model) if preset.target else None
    if preset.target and reference is None:
        return None
    try:
        k, r = preset.resolve(config, Workload(), reference)
    except InvalidBudgetError:
        return None
    return PruningConfig(k=k, r=round(r, 3))


def _pair_choice(preset: PairPreset, pool: ModelPool) -> PresetChoice | None:
    pair = preset.pair(lambda pair: _is_available(pair, pool))
    if pair is None or (pruning := _resolved(pair.preset, known_shape(pool.entries[pair.model]))) is None:
        return None
    large, small = (pool.entries[key].name for key in (pair.model, pair.beside))
    here = f"Here: {large} at {budget(pruning.k, pruning.r)} beside {small}."
    return PresetChoice(preset.name, f"{preset.sentence} {here}", pruning, pair=(pair.model, pair.beside))


def _is_available(pair: Pair, pool: ModelPool) -> bool:
    """Whether both models are offered here, and a GPU holds both where they need one."""
    shapes = []
    for key in (pair.model, pair.beside):
        if key not in pool.entries or key in pool.unavailable:
            return False
        if (shape := known_shape(pool.entries[key])) is None:
            return False
        shapes.append(shape)
    dtype = pool.dtype if pool.dtype in DTYPES else "float16"
    return not pair.gpu or sum(parameter_bytes(shape, dtype) for shape in shapes) < pool.gpu_bytes


def names(offered: Sequence[PresetChoice]) -> list[str]:
    """What can be chosen: the presets, and one's own."""
    return list(dict.fromkeys([*(choice.name for choice in offered), OWN]))


def name_of(offered: Sequence[PresetChoice], pruning: PruningConfig | None, pair: tuple[str, str] | None = None) -> str:
    """The preset that a pruning amounts to, or OWN.

    Parameters
    ----------
    pair
        The model and the one beside it, where that is another one without pruning.
    """
    if pruning is None:
        return OWN
    found = [choice for choice in offered if choice.point == _point(pruning) and choice.pair in (None, pair)]
    return max(found, key=lambda choice: choice.pair is not None).name if found else OWN


def sentence_of(offered: Sequence[PresetChoice], name: str) -> str:
    return next((choice.sentence for choice in offered if choice.name == name), OWN_SENTENCE)


def layers_of(model: LoadedModel | ModelOutline) -> int:
    """How many decoder layers a model has."""
    return (model if isinstance(model, ModelOutline) else ModelOutline.of_loaded(model)).layers


def slider_percent(r: float) -> float:
    """R as a slider's value: in percent, to a tenth."""
    return round(100 * r, 1)


def slider_step(r_percent: float) -> float:
    """Whole percents, or tenths where a preset needs them."""
    return 1 if float(r_percent).is_integer() else 0.1
