"""InternVL 3 and 3.5 in their transformers format: a picture is 448 x 448, or tiles of that and an overview."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.errors import UnsupportedModelError
from fastv.families.base import Processor, base_of
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.shapes import ModelShape
from fastv.families.tiled_shapes import CanvasVisionShape, NormedProjectorShape
from fastv.families.tiles import TiledFamily, patch_side, picture_side
from fastv.families.tower_layers import TowerLayer, TowerSequences, squares_after

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig

_PROMPT = "<|im_start|>user\n<img>{picture}</img>\n{question}<|im_end|>\n<|im_start|>assistant\n"
_VISUAL_SPAN = (
    "256 tokens for each tile of 448 x 448 pixels, at most 12 and an overview, between <img> and </img>: 2,560 for "
    "1,024 x 1,024 pixels"
)
_TOWER = {"attention_bias": True, "image_size": [448, 448], "patch_size": [14, 14]}


def _entry(name: str, description: str, text: dict[str, Any]) -> ModelEntry:
    text = {"model_type": "qwen3", "vocab_size": 151936, "head_dim": 128, "tie_word_embeddings": False, **text}
    return ModelEntry(
        f"internvl3.5-{name.lower()}",
        f"InternVL 3.5 {name}",
        f"OpenGVLab/InternVL3_5-{name}-HF",
        description,
        prompt=_PROMPT,
        visual_span=_VISUAL_SPAN,
        visual_tokens=2_560,
        config={
            "model_type": "internvl",
            "text_config": text,
            "vision_config": _TOWER,
            "tie_word_embeddings": False,
        },
    )


class InternVL(TiledFamily):
    name = "InternVL"
    model_types = ("internvl",)
    unquantized = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    videos = True
    frames_are_pictures = True
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        _entry(
            "1B",
            "The smallest of the second reference model of papers since 2025.",
            {
                "hidden_size": 1024,
                "intermediate_size": 3072,
                "num_hidden_layers": 28,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
            },
        ),
        _entry(
            "8B",
            "The second reference model of papers since 2025.",
            {
                "hidden_size": 4096,
                "intermediate_size": 12288,
                "num_hidden_layers": 36,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
            },
        ),
    )

    def visual_token_ids(self, config: Any) -> tuple[int, ...]:
        return (config.image_token_id,)  # frames of videos too

    def tile_side(self, config: Any) -> int:
        vision = config.vision_config
        return int(picture_side(vision) // patch_side(vision) * config.downsample_ratio)

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        layers, taken = base.vision_tower.encoder.layer, config.vision_feature_layer
        if not isinstance(taken, int):
            raise UnsupportedModelError("The model uses several layers of its vision tower, and FastV observes one.")
        layer = layers[len(layers) + taken if taken < 0 else taken - 1]
        lead = 1 if config.vision_feature_select_strategy == "default" else 0
        squares = squares_after(lead, round(1 / config.downsample_ratio))

        def sequences(_token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            return TowerSequences(None, squares)

        return TowerLayer({config.image_token_id: layer.attention}, True, sequences)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import InternVLProcessor

        from fastv.families.processors import read_with_videos
        from fastv.families.videos import FrameVideoProcessor

        def frames(pictures: Any, size: dict[str, int] | None = None) -> FrameVideoProcessor:
            """Of a video each frame is one tile."""
            return FrameVideoProcessor(type(pictures).from_dict(pictures.to_dict() | {"crop_to_patches": False}), size)

        return read_with_videos(source, InternVLProcessor, frames)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {"model_type": "qwen2"}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings", True)}
        decoder = reader_for(DECODERS, text.get("model_type"), "text part")(text)
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        patch, side = (_first(tower.get(name)) or most for name, most in (("patch_size", 14), ("image_size", 448)))
        merge = round(1 / settings.get("downsample_ratio", 0.5))
        width = size(tower, "hidden_size", 1024)
        tokens = (side // patch // merge) ** 2
        vision = CanvasVisionShape(
            width=width,
            ffn_width=size(tower, "intermediate_size", 4096),
            layers=size(tower, "num_hidden_layers", 24),
            patches=(side // patch) ** 2,
            patch_size=patch,
            channels=size(tower, "num_channels", 3),
            tile_tokens=tokens,
            class_tokens=1,
            qkv_bias=bool(tower.get("attention_bias", False)),
            outer_norms=int(not tower.get("use_mean_pooling", True)),
            layer_scales=2,
        )
        return ModelShape(decoder, vision, NormedProjectorShape(merge**2 * width, tokens))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) else value
