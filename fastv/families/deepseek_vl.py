"""DeepSeek-VL (1.3B, SigLIP alone): a picture is padded to a square, and each of its patches is a visual token."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from fastv.families.base import base_of
from fastv.families.config_fields import as_dict, reader_for
from fastv.families.decoders import DECODERS
from fastv.families.reduced_pictures import Sizes, square_pictures_reduced
from fastv.families.shapes import ModelShape, ProjectorShape
from fastv.families.siglip_shapes import siglip
from fastv.families.tiles import TiledFamily, patch_side, picture_side
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import nn

_SIGLIP = {"siglip_vision_model": siglip}


class DeepseekVL(TiledFamily):
    name = "DeepSeek-VL"
    model_types = ("deepseek_vl",)
    splits_pictures = False
    unquantized = ("model.vision_model", "model.aligner", "lm_head")

    def tile_side(self, config: Any) -> int:
        return picture_side(config.vision_config) // patch_side(config.vision_config)

    def reduced_pictures(self, model: nn.Module, sizes: Sizes) -> AbstractContextManager[None]:
        base: Any = base_of(model)
        config: Any = model.config
        picture = VisualGroup(1, *(self.tile_side(config),) * 2)
        return square_pictures_reduced(
            base,
            "get_image_features",
            ("pixel_values",),
            base.vision_model,
            config.image_token_id,
            lambda pixels: picture,
            sizes,
        )

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {"model_type": "llama"}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings", True)}
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        kind = tower.get("model_type", "siglip_vision_model")
        decoder = reader_for(DECODERS, text.get("model_type", "llama"), "text part")(text)
        vision = reader_for(_SIGLIP, kind, "vision tower")(tower)
        return ModelShape(decoder, vision, ProjectorShape(vision.width, vision.tile_tokens))
