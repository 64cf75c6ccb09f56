"""Names of models as people read them."""

from __future__ import annotations

from fastv.families.catalogue import CATALOGUE

OWN = "own"  # the key of a visitor's own config
OWN_NAME = "Your config"
_NAMES = {entry.key: entry.name for entry in CATALOGUE} | {OWN: OWN_NAME, "qwen-vl-chat": "Qwen-VL-Chat"}


def name_of(model: str) -> str:
    """Of a key of the catalogue, or of the published tables."""
    return _NAMES.get(model, model)
