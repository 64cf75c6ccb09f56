"""Reads sizes out of a config: a transformers config object, that as a dict, or a checkpoint's ``config.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastv.errors import UnsupportedModelError
from fastv.validation import whole

Reader = TypeVar("Reader", bound=Callable[..., Any])


def as_dict(config: Any, role: str) -> Mapping[str, Any]:
    """The settings of a config. ``role`` names it in the error. Raises UnsupportedModelError."""
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    if not isinstance(config, Mapping):
        raise UnsupportedModelError(f"{role} must be a transformers config or a dict, not {type(config).__name__}.")
    return config


def size(settings: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A positive whole number; a field that is absent or null has its config class's ``default``.

    Raises UnsupportedModelError.
    """
    value = settings.get(name)
    value = default if value is None else value
    return whole(value, f"{name} in the config", low=1, error=UnsupportedModelError)


def reader_for(readers: Mapping[str, Reader], model_type: Any, part: str) -> Reader:
    """The reader of a ``model_type``.

    Raises UnsupportedModelError, which names the ``part`` of a model and the known types.
    """
    if model_type not in readers:
        named = "no model_type" if model_type is None else f"model_type {model_type!r}"
        known = ", ".join(sorted(readers))
        raise UnsupportedModelError(f"The cost of a {part} with {named} is not known; known: {known}.")
    return readers[model_type]
