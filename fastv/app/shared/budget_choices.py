"""The presets that suit a model, as (K, R) for the page's sliders, and those that set up both sides."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fastv.app.service.model_pool import ModelPool
from fastv.costs import configs
from fastv.costs.memory import DTYPES, parameter_bytes
from fastv.costs.pair_presets import Duel, Pair, load_duels
from fastv.costs.solver import Preset, Workload, load_presets
from fastv.errors import InvalidBudgetError
from fastv.families.catalogue import known_shape
from fastv.formatting import budget
from fastv.loading.load import LoadedModel

logger = logging.getLogger(__name__)

OWN = "Your own"
OWN_SENTENCE = "Any layer K, any share R. More saving: a smaller K, a larger R."


@dataclass(frozen=True)
class Choice:
    """A preset for one model; ``r_percent`` in tenths of a percent: exact to a token for up to 1,000 of them.

    sides: for one that sets up both sides, the model it prunes and the one beside it, which runs without FastV.
    """

    name: str
    sentence: str
    k: int
    r_percent: float
    sides: tuple[str, str] | None = None


FALLBACK = Choice(OWN, OWN_SENTENCE, 0, 50.0)


def choices(loaded: LoadedModel, pool: ModelPool | None = None) -> list[Choice]:
    """The presets meant for a model that it can follow, its default first; never none. Unreadable files are logged.

    pool: where there is one, the duels that can be had with its models come last.
    """
    presets, problems = load_presets()
    duels, more_problems = load_duels(presets)
    for problem in (*problems, *more_problems):
        logger.warning("preset %s is left out: %s", problem.file, problem.reason)
    key, found = loaded.entry.key, []
    for preset in sorted(presets, key=lambda preset: key not in preset.default_for):
        if (not preset.models or key in preset.models) and (point := _resolved(preset, loaded.model.config)):
            found.append(Choice(preset.name, preset.sentence, *point))
    found = found or [FALLBACK]
    return found if pool is None else found + [made for duel in duels if (made := _choice(duel, pool)) is not None]


def _resolved(preset: Preset, config: object) -> tuple[int, float] | None:
    """K and R in percent for a model; None where it cannot follow."""
    reference = configs.known().get(preset.target.model) if preset.target else None
    if preset.target and reference is None:
        return None
    try:
        k, r = preset.resolve(config, Workload(), reference)
    except InvalidBudgetError:
        return None
    return k, round(100 * r, 1)


def _choice(duel: Duel, pool: ModelPool) -> Choice | None:
    pair = duel.pair(lambda pair: _can_be_had(pair, pool))
    if pair is None or (point := _resolved(pair.preset, known_shape(pool.entries[pair.model]))) is None:
        return None
    large, small = (pool.entries[key].name for key in (pair.model, pair.beside))
    here = f"Here: {large} at {budget(point[0], point[1] / 100)} beside {small}."
    return Choice(duel.name, f"{duel.sentence} {here}", *point, sides=(pair.model, pair.beside))


def _can_be_had(pair: Pair, pool: ModelPool) -> bool:
    """Whether both models can be had here, and there is a GPU that holds both where they want one."""
    shapes = [
        known_shape(pool.entries[key])
        for key in (pair.model, pair.beside)
        if key in pool.entries and key not in pool.unavailable
    ]
    if len(shapes) < 2 or None in shapes:
        return False
    dtype = pool.dtype if pool.dtype in DTYPES else "float16"
    return not pair.gpu or sum(parameter_bytes(shape, dtype) for shape in shapes) < pool.gpu_bytes


def names(offered: list[Choice]) -> list[str]:
    """What can be chosen: the presets, and one's own."""
    return list(dict.fromkeys([*(choice.name for choice in offered), OWN]))


def name_of(offered: list[Choice], k: int, r_percent: float, sides: tuple[str, str] | None = None) -> str:
    """The preset that sliders at these values amount to, or OWN.

    sides: the model, and the one it is beside, where that is another without FastV.
    """
    found = [
        choice for choice in offered if (choice.k, choice.r_percent) == (k, r_percent) and choice.sides in (None, sides)
    ]
    return max(found, key=lambda choice: choice.sides is not None).name if found else OWN


def sentence_of(offered: list[Choice], name: str) -> str:
    return next((choice.sentence for choice in offered if choice.name == name), OWN_SENTENCE)


def layers_of(loaded: LoadedModel) -> int:
    return len(loaded.family.decoder(loaded.model).layers)


def slider_step(r_percent: float) -> float:
    """Whole percents for people; tenths when a preset needs them."""
    return 1 if float(r_percent).is_integer() else 0.1
