"""DeepSeek-VL (1.3B, SigLIP alone): a picture is padded to a square, and each of its patches is a visual token."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from fastv.families.base import base_of
from fastv.families.config_fields import as_dict, reader_for
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.reduced_pictures import Sizes, square_pictures_reduced
from fastv.families.shapes import ModelShape, ProjectorShape
from fastv.families.siglip_shapes import siglip
from fastv.families.tiles import TiledFamily, patch_side, picture_side
from fastv.families.tower_layers import TowerLayer, TowerSequences, encoder_layer, patches_after
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import nn

_SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
_SIGLIP = {"siglip_vision_model": siglip}


class DeepseekVL(TiledFamily):
    name = "DeepSeek-VL"
    model_types = ("deepseek_vl",)
    splits_pictures = False
    unquantized = ("model.vision_model", "model.aligner", "lm_head")
    # Sizes as in the checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        ModelEntry(
            "deepseek-vl-1.3b",
            "DeepSeek-VL 1.3B",
            "deepseek-community/deepseek-vl-1.3b-chat",
            "Small, with as many tokens for each image as LLaVA-1.5.",
            prompt=f"{_SYSTEM}\n\nUser: {{picture}}{{question}}\n\nAssistant:",
            visual_span="576 tokens for an image of any size, which is padded to a square",
            config={
                "model_type": "deepseek_vl",
                "text_config": {
                    "model_type": "llama",
                    "vocab_size": 102400,
                    "hidden_size": 2048,
                    "intermediate_size": 5632,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 16,
                    "num_key_value_heads": 16,
                },
                "vision_config": {
                    "model_type": "siglip_vision_model",
                    "hidden_size": 1024,
                    "intermediate_size": 4096,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 16,
                    "image_size": 384,
                    "vision_use_head": False,
                },
                "tie_word_embeddings": False,
            },
        ),
    )

    def tile_side(self, config: Any) -> int:
        return picture_side(config.vision_config) // patch_side(config.vision_config)

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        config: Any = model.config
        layer = encoder_layer(getattr(base_of(model), "vision_model", None), -1)

        def sequences(_token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            return TowerSequences(None, patches_after(0))

        return TowerLayer({config.image_token_id: layer.self_attn}, False, sequences)

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
