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
        width, ffn = self.width, self.ffn_width
        attention = width + 4 * width * width + 4 * width  # a learned query before the matrices
        head = attention + 2 * width + 2 * width * ffn + ffn + width
        return super().parameters + self.pooled * head

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        keys = 4.0 * self.patches * self.width * (self.width + 1)
        head = keys + 4.0 * self.width**2 + 4.0 * self.width * self.ffn_width
        return super().flops(visual_tokens, pictures, frames) + self.pooled * visual_tokens / self.tile_tokens * head


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
        pooled=bool(settings.get("vision_use_head", True)),
    )
