"""Which methods, and which of their options, a family of models cannot serve, told before anything runs. No torch."""

from __future__ import annotations

from typing import Any

from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.families.base import Family
from fastv.families.catalogue import ModelEntry, known_settings, known_shape
from fastv.families.registry import family_for
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS, described
from fastv.pruning.signals import TOWER


def described_for(entry: ModelEntry) -> list[dict[str, Any]]:
    """``described`` with what is known beforehand of one model: each method's ``unserved``, the reason why the model
    cannot be pruned by it or None, and ``unserved_options``, reasons by option.

    Raises
    ------
    InvalidInputError
        Where the model's config is not on this machine.
    """
    settings, shape = known_settings(entry), known_shape(entry)
    if settings is None:
        raise InvalidInputError(
            f"The config of {entry.name} is not on this machine: give a model of the catalogue (fastv models lists "
            "them) or a model folder."
        )
    family = family_for(settings.get("model_type"))
    refused, options = unserved(family, shape.decoder.layers if shape else None), unserved_options(family)
    return [one | {"unserved": refused.get(one["name"]), "unserved_options": options} for one in described()]


def unserved(family: Family | None, layers: int | None = None) -> dict[str, str]:
    """The methods that cannot serve a model, each with the reason in a few words.

    What depends on the prompt or on the loaded model, such as the kind of its attention, shows only in a run.

    Parameters
    ----------
    family : Family or None
        None for a model of no family, of which the decoder alone is known.
    layers : int or None
        Of its decoder; None where that is not known.
    """
    found = {name: _reason(method, family, layers) for name, method in METHODS.items()}
    return {name: reason for name, reason in found.items() if reason is not None}


def unserved_options(family: Family | None) -> dict[str, str]:
    """The options of methods that a model cannot serve whatever the method is, each with the reason in a few words.

    Parameters
    ----------
    family : Family or None
        None for a model of no family.
    """
    if family is None or family.renumbers:
        return {}
    return {"positions": "its positions cannot be numbered anew"}


def _reason(method: type[Method], family: Family | None, layers: int | None) -> str | None:
    if method.videos_alone and not (family is not None and family.videos):
        return "it serves videos, which this model does not read"
    if method.videos_alone and family is not None and family.frames_are_pictures:
        return "to this model each frame is an image of its own"
    if TOWER in method.signals and not (family is not None and family.shows_tower):
        return "what the vision tower of this model attends to is not known"
    if method.encodes_kept_alone and not (family is not None and family.reduces_pictures):
        return "how this model could read smaller images is not known"
    if method.needs_places and not (family is not None and family.knows_places):
        return "where the visual tokens of this model stand in the image is not known"
    if layers is not None and not method.takes_k and not _fits(method, layers):
        return f"it needs a decoder of more than {layers} layers"
    return None


def _fits(method: type[Method], layers: int) -> bool:
    try:
        cuts = method().schedule(layers)
    except InvalidBudgetError:
        return False
    return cuts[-1] < layers and all(early < late for early, late in zip(cuts, cuts[1:]))
