"""Vision towers by their own model type: those that several families combine with a decoder.

A new one is a function here and its line in ``VISION_TOWERS``; one that a single family has stands in the family's
module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastv.families.config_fields import size
from fastv.families.vision_shapes import FixedVisionShape

CLIP_LARGE_336 = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
CLIP_LARGE_224 = CLIP_LARGE_336 | {"image_size": 224}


def clip(settings: Mapping[str, Any]) -> FixedVisionShape:
    patch = size(settings, "patch_size", 32)
    return FixedVisionShape(
        width=size(settings, "hidden_size", 768),
        ffn_width=size(settings, "intermediate_size", 3072),
        layers=size(settings, "num_hidden_layers", 12),
        patches=(size(settings, "image_size", 224) // patch) ** 2,
        patch_size=patch,
        channels=size(settings, "num_channels", 3),
        heads=size(settings, "num_attention_heads", 12),
    )


#: Towers that prepend a class token to the patches, and those known to prepend none.
_CLASS_TOKENS = {"clip_vision_model": 1, "siglip_vision_model": 0, "siglip2_vision_model": 0}


def class_tokens(model_type: str) -> int | None:
    """How many tokens a tower prepends to a picture's patches, by its ``model_type``; None where it is not known."""
    return _CLASS_TOKENS.get(model_type)


#: ``model_type`` of a vision config -> what reads its sizes.
VISION_TOWERS: dict[str, Callable[[Mapping[str, Any]], FixedVisionShape]] = {"clip_vision_model": clip}
