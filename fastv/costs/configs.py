"""Configs to compute costs of: the paper's models, those that come with the project, or a pasted one. No torch."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from fastv.errors import FastVError, InvalidInputError
from fastv.families.catalogue import CATALOGUE, known_shape
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape

LONGEST_CONFIG = 64 * 1024  # characters of a config that is pasted or sent; real ones have a few thousand
PICTURE_TOKENS = 576  # taken where a config is of a decoder alone: what LLaVA-1.5 makes of a picture
_MOST_LAYERS = 1_000
_LARGEST_SIZE = 10**7


@lru_cache(maxsize=1)
def known() -> dict[str, ModelShape]:
    """The sizes of every model whose config is at hand: catalogue key -> shape."""
    shapes = {entry.key: known_shape(entry) for entry in sorted(CATALOGUE, key=lambda entry: entry.embedded)}
    return {key: shape for key, shape in shapes.items() if shape is not None}


def shape_of(key: str) -> ModelShape:
    """The sizes of a model of ``known``. Raises InvalidInputError."""
    if not isinstance(key, str) or key not in known():
        near = get_close_matches(str(key)[:100], known(), 4, 0.0)
        raise InvalidInputError(
            f"There is no config of a model “{str(key)[:100]}” here: choose one of the {len(known())} that "
            f"“fastv models” lists, such as {', '.join(near)}."
        )
    return known()[key]


def smaller_model(key: str | None) -> str:
    """The model that a model is put beside where the paper says "the 7B": its own kind's smaller one."""
    return "mini-7" if key in ("mini-7", "mini-13") and "mini-7" in known() else "llava-1.5-7b"


def visual_input(shape: ModelShape, key: str | None = None) -> tuple[int, int]:
    """What one picture, or one video where a model is for videos, is to a model.

    Parameters
    ----------
    shape
        The model's sizes.
    key
        Its key in the catalogue; None for a model that is not in it.

    Returns
    -------
    visual_tokens, pictures
        Its visual tokens, and how often the vision tower runs for it.
    """
    picture = shape.projector.tokens if shape.projector else PICTURE_TOKENS
    counted = next((entry.paper_visual_tokens for entry in CATALOGUE if entry.key == key), None)
    tokens = counted or picture
    return tokens, max(1, round(tokens / picture))


def parse(text: str | None) -> ModelShape:
    """The sizes in the text of a config.json. Raises InvalidInputError with what is wrong with it."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError("There is no config: paste the text of a config.json, or choose the file.")
    if len(text) > LONGEST_CONFIG:
        raise InvalidInputError(f"The config has {len(text):,} characters; at most {LONGEST_CONFIG:,} are read.")
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"The config is not JSON: {str(error)[:200]}.") from error
    return of_settings(settings)


def of_settings(settings: Any) -> ModelShape:
    """The same for JSON that is parsed already."""
    try:
        shape = read_shape(settings)
    except FastVError as error:
        raise InvalidInputError(str(error)[:400]) from error
    except (TypeError, ValueError, ZeroDivisionError, RecursionError, OverflowError) as error:
        raise InvalidInputError("The config has values of a kind that no config of a model has.") from error
    _check_sizes(shape)
    return shape


def _check_sizes(shape: ModelShape) -> None:
    """Refuses sizes no model has: arithmetic with them would be no use, and could keep the machine busy."""
    if max(shape.decoder.layers, shape.vision.layers if shape.vision else 0) > _MOST_LAYERS:
        raise InvalidInputError(f"The config has more than {_MOST_LAYERS:,} layers.")
    for part in (shape.decoder, shape.vision, shape.projector):
        if part and any(isinstance(size, int) and size > _LARGEST_SIZE for size in vars(part).values()):
            raise InvalidInputError(f"The config has a size above {_LARGEST_SIZE:,}.")
