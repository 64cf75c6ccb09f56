"""Sizes of a SigLIP tower that reads each picture as one square, with the pooling head that it may carry unused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastv.families.config_fields import size
from fastv.families.tiled_shapes import OneTileVisionShape


@dataclass(frozen=True)
class SiglipVisionShape(OneTileVisionShape):
    """pooled: whether a head pools all patches to one vector, which runs though the model does not read it."""

    pooled: bool = True

    @property
    def parameters(self) -> int:
        return super().parameters + self.pooled * head_parameters(self.width, self.ffn_width)

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        head = head_flops(self.patches, self.width, self.ffn_width)
        return super().flops(visual_tokens, pictures, frames) + self.pooled * visual_tokens / self.tile_tokens * head


def head_parameters(width: int, ffn_width: int) -> int:
    """Weights of a pooling head: a learned query, attention, a norm and an FFN."""
    return width + 4 * width * width + 4 * width + 2 * width + 2 * width * ffn_width + ffn_width + width


def head_flops(patches: int, width: int, ffn_width: int) -> float:
    """FLOPs of a pooling head over so many patches."""
    return 4.0 * patches * width * (width + 1) + 4.0 * width**2 + 4.0 * width * ffn_width


def siglip(settings: Mapping[str, Any]) -> SiglipVisionShape:
    """The sizes in a vision config of model_type ``siglip_vision_model``, every patch a visual token."""
    patch = size(settings, "patch_size", 16)
    patches = (size(settings, "image_size", 224) // patch) ** 2
    return SiglipVisionShape(
        width=size(settings, "hidden_size", 768),
        ffn_width=size(settings, "intermediate_size", 3072),
        layers=size(settings, "num_hidden_layers", 12),
        patches=patches,
        patch_size=patch,
        channels=size(settings, "num_channels", 3),
        tile_tokens=patches,
        heads=size(settings, "num_attention_heads", 12),
        pooled=bool(settings.get("vision_use_head", True)),
    )
