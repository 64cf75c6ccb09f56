"""The key-value cache by both its names: ``cache`` from Transformers 5.24 on, ``past_key_values`` before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("cache", "past_key_values")


def cache_in(named: Mapping[str, Any]) -> Any:
    """The cache among a forward's keyword arguments or in a model's output; None when there is none."""
    return next((named[name] for name in _NAMES if named.get(name) is not None), None)
