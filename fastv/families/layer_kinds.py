"""Kinds of decoder layers, as the ``layer_types`` of a config name them."""

from __future__ import annotations

from typing import Any

ATTENDING = frozenset({"full_attention", "sliding_attention"})
#: Layers that keep a state of what they read in place of keys, and take a padding mask (batch, n).
RECURRENT = frozenset({"linear_attention", "conv"})


def kinds_of(decoder: Any) -> tuple[str, ...]:
    """The kind of each layer; empty where they are all alike and the config does not tell."""
    return tuple(getattr(decoder.config, "layer_types", None) or ())
