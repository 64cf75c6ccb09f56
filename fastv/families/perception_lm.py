"""Perception LM: an overview and up to 36 tiles, whose patches are pooled after the projector; videos frame by frame.

Its vision tower is one of the package timm's, which is no part of this project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.errors import UnsupportedModelError
from fastv.families.base import Family, Processor
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.perception_shapes import (
    PooledLastProjectorShape,
    encoder_settings,
    image_side,
    perception_tower,
)
from fastv.families.shapes import ModelShape
from fastv.families.visual_groups import VisualGroup, in_prompt_order

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_PROMPT = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a helpful language and vision assistant. "
    "You are able to understand the visual content that the user provides, and assist the user with a variety of "
    "tasks using natural language.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{picture}{question}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
_ARGUMENTS = {"global_pool": "", "init_values": 0.1, "img_size": [448, 448], "use_post_transformer_norm": False}
_LARGE = {
    "model_type": "timm_wrapper",
    "architecture": "vit_pe_core_large_patch14_336",
    "model_args": {**_ARGUMENTS, "embed_dim": 1024, "depth": 23},
}
_GIGANTIC = {
    "model_type": "timm_wrapper",
    "architecture": "vit_pe_core_gigantic_patch14_448",
    "model_args": {**_ARGUMENTS, "embed_dim": 1536, "depth": 47},
}


def _entry(billions: int, description: str, tower: dict[str, Any], tied: bool, **text: Any) -> ModelEntry:
    return ModelEntry(
        f"perception-lm-{billions}b",
        f"Perception LM {billions}B",
        f"facebook/Perception-LM-{billions}B",
        f"{description} Needs the package timm, and its terms accepted on the hub.",
        prompt=_PROMPT,
        visual_span="256 tokens for an overview and each tile of 448 x 448 pixels: 9,472 for a square image",
        visual_tokens=37 * 256,
        config={
            "model_type": "perception_lm",
            "text_config": {"model_type": "llama", "vocab_size": 128_256, "tie_word_embeddings": tied, **text},
            "vision_config": tower,
            "vision_use_cls_token": tower is _LARGE,
            "projector_pooling_ratio": 2,
        },
    )


class PerceptionLM(Family):
    name = "Perception LM"
    model_types = ("perception_lm",)
    videos = True
    splits_pictures = True
    packages = ("timm",)
    unquantized = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    # Sizes of the authors' training configs and their conversion; the weights they make are as many as the hub counts.
    entries = (
        _entry(
            1,
            "The smallest.",
            _LARGE,
            True,
            hidden_size=2048,
            intermediate_size=8192,
            num_hidden_layers=16,
            num_attention_heads=32,
            num_key_value_heads=8,
        ),
        _entry(
            3,
            "Of middle size.",
            _LARGE,
            True,
            hidden_size=3072,
            intermediate_size=8192,
            num_hidden_layers=28,
            num_attention_heads=24,
            num_key_value_heads=8,
        ),
        _entry(
            8,
            "The largest, with a vision tower of 1.7 billion weights.",
            _GIGANTIC,
            False,
            hidden_size=4096,
            intermediate_size=14_336,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
        ),
    )

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        config: Any = model.config
        pictures, videos, side = inputs.get("pixel_values"), inputs.get("pixel_values_videos"), _tile_side(config)
        if side is None or (pictures is None and videos is None):
            return None
        tile = VisualGroup(1, side, side)
        tiles = 0 if pictures is None else pictures.shape[0] * pictures.shape[1]
        videos = () if videos is None else videos
        return in_prompt_order(
            input_ids,
            {
                config.image_token_id: [tile] * tiles,
                config.video_token_id: [replace(tile, frames=len(video)) for video in videos],
            },
        )

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame] | None:
        """Tiles are (pictures, tiles, 3, height, width), frames of videos the same."""
        if (side := _tile_side(config)) is None:
            return None
        given = (inputs[name].flatten(0, 1) for name in ("pixel_values", "pixel_values_videos") if name in inputs)
        return [Frame(tile, (side, side)) for tiles in given for tile in tiles]

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from fastv.families.perception_lm_pictures import read_perception_processor

        return read_perception_processor(source)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {"model_type": "llama"}, "text_config")
        if settings.get("tie_word_embeddings") is not None:
            text = {**text, "tie_word_embeddings": settings["tie_word_embeddings"]}
        decoder = reader_for(DECODERS, text.get("model_type", "llama"), "text part")(text)
        pooling = size(settings, "projector_pooling_ratio", 1)
        vision = perception_tower(as_dict(settings.get("vision_config") or {}, "vision_config"), pooling)
        projector = PooledLastProjectorShape(
            vision.width, vision.tile_tokens, frame_tokens=vision.tile_tokens, pool=pooling**2
        )
        return ModelShape(decoder, vision, projector)


def _tile_side(config: Any) -> int | None:
    """Rows, and columns, of a tile's visual tokens; None where the tower is not known."""
    try:
        settings = encoder_settings(config.vision_config)
    except UnsupportedModelError:
        return None
    return image_side(settings) // size(settings, "patch_size", 14) // config.projector_pooling_ratio
