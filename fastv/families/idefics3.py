"""Idefics3 and SmolVLM: tiles and an overview, with the place of each tile as text before it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.base import Processor, base_of
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.shapes import ModelShape
from fastv.families.tiled_shapes import LinearProjectorShape, SplitVisionShape
from fastv.families.tiles import TiledFamily, patch_side, picture_side
from fastv.families.tower_layers import TowerLayer, TowerSequences, squares_after

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig

_PROMPT = "<|im_start|>User:{picture}{question}<end_of_utterance>\nAssistant:"
_BASE_TOWER = {"hidden_size": 768, "num_attention_heads": 12, "image_size": 512, "patch_size": 16}
_LARGE_TOWER = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}


def _entry(
    name: str, source: str, description: str, tile: int, text: dict[str, Any], tower: dict[str, Any], scale: int
) -> ModelEntry:
    text = {"model_type": "llama", "vocab_size": 49280, "head_dim": 64, **text}
    return ModelEntry(
        f"smolvlm2-{name.lower()}",
        f"SmolVLM2 {name}",
        source,
        description,
        prompt=_PROMPT,
        visual_span=f"{tile} tokens for each tile, 16 and an overview for a square image: {17 * tile:,}",
        visual_tokens=17 * tile,
        config={"model_type": "smolvlm", "text_config": text, "vision_config": tower, "scale_factor": scale},
    )


class Idefics3(TiledFamily):
    name = "SmolVLM and Idefics3"
    model_types = ("idefics3", "smolvlm")
    unquantized = ("model.vision_model", "model.connector", "lm_head")
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        _entry(
            "256M",
            "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
            "The smallest real model here.",
            64,
            {
                "hidden_size": 576,
                "intermediate_size": 1536,
                "num_hidden_layers": 30,
                "num_attention_heads": 9,
                "num_key_value_heads": 3,
            },
            _BASE_TOWER,
            4,
        ),
        _entry(
            "500M",
            "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
            "The best small real model for a machine without GPU.",
            64,
            {
                "hidden_size": 960,
                "intermediate_size": 2560,
                "num_hidden_layers": 32,
                "num_attention_heads": 15,
                "num_key_value_heads": 5,
            },
            _BASE_TOWER,
            4,
        ),
        _entry(
            "2.2B",
            "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
            "The largest SmolVLM.",
            81,
            {
                "hidden_size": 2048,
                "intermediate_size": 8192,
                "num_hidden_layers": 24,
                "num_attention_heads": 32,
                "num_key_value_heads": 32,
            },
            _LARGE_TOWER,
            3,
        ),
    )

    def decoder(self, model: nn.Module) -> nn.Module:
        return getattr(base_of(model), "text_model", None) or super().decoder(model)

    def tile_side(self, config: Any) -> int:
        vision = config.vision_config
        return picture_side(vision) // patch_side(vision) // config.scale_factor

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        squares = squares_after(0, config.scale_factor)

        def sequences(_token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            return TowerSequences(None, squares)

        attention = base.vision_model.encoder.layers[-1].self_attn
        return TowerLayer({config.image_token_id: attention}, False, sequences)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        """Idefics3's, for SmolVLM too: what it makes of pictures is the same, and it needs nothing for videos."""
        from transformers import AutoImageProcessor, AutoTokenizer, Idefics3Processor

        pictures = AutoImageProcessor.from_pretrained(source, backend="pil", trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        settings, _ = Idefics3Processor.get_processor_dict(source)
        return Idefics3Processor.from_args_and_dict([pictures, tokenizer], settings)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {"model_type": "llama"}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings", False)}
        decoder = reader_for(DECODERS, text.get("model_type", "llama"), "text part")(text)
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        width, patch = size(tower, "hidden_size", 1152), size(tower, "patch_size", 32)
        scale, side = size(settings, "scale_factor", 2), size(tower, "image_size", 224) // patch
        tokens = side**2 // scale**2
        vision = SplitVisionShape(
            width=width,
            ffn_width=size(tower, "intermediate_size", 3072),
            layers=size(tower, "num_hidden_layers", 12),
            patches=side**2,
            patch_size=patch,
            channels=size(tower, "num_channels", 3),
            tile_tokens=tokens,
        )
        return ModelShape(decoder, vision, LinearProjectorShape(scale**2 * width, tokens, bias=False))
