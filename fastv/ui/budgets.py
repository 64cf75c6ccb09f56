"""The presets that suit a model, as (K, R) for the page's sliders."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fastv.budget import Workload, load_presets
from fastv.errors import InvalidBudgetError
from fastv.models.loading import LoadedModel
from fastv.shapes import REFERENCE_CONFIGS

logger = logging.getLogger(__name__)

OWN = "Your own"
OWN_SENTENCE = "Any layer K, any share R. More saving: a smaller K, a larger R."


@dataclass(frozen=True)
class Choice:
    """A preset for one model; ``r_percent`` in tenths of a percent: exact to a token for up to 1,000 of them."""

    name: str
    sentence: str
    k: int
    r_percent: float


FALLBACK = Choice(OWN, OWN_SENTENCE, 0, 50.0)


def choices(loaded: LoadedModel) -> list[Choice]:
    """The presets meant for a model that it can follow, its default first; never none. Unreadable files are logged."""
    presets, problems = load_presets()
    for problem in problems:
        logger.warning("preset %s is left out: %s", problem.file, problem.reason)
    key, found = loaded.entry.key, []
    for preset in sorted(presets, key=lambda preset: key not in preset.default_for):
        if preset.models and key not in preset.models:
            continue
        try:
            k, r = preset.resolve(
                loaded.model.config, Workload(), preset.target and REFERENCE_CONFIGS.get(preset.target.model)
            )
        except InvalidBudgetError:
            continue
        found.append(Choice(preset.name, preset.sentence, k, round(100 * r, 1)))
    return found or [FALLBACK]


def names(offered: list[Choice]) -> list[str]:
    """What can be chosen: the presets, and one's own."""
    return list(dict.fromkeys([*(choice.name for choice in offered), OWN]))


def name_of(offered: list[Choice], k: int, r_percent: float) -> str:
    """The preset that sliders at these values amount to, or OWN."""
    return next((choice.name for choice in offered if (choice.k, choice.r_percent) == (k, r_percent)), OWN)


def sentence_of(offered: list[Choice], name: str) -> str:
    return next((choice.sentence for choice in offered if choice.name == name), OWN_SENTENCE)
