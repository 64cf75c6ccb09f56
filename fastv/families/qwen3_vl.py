"""Qwen3-VL, dense and with experts: Qwen2.5-VL's inputs, DeepStack, and timestamps between the frames of a video."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fastv.families.base import KeptColumns, Processor
from fastv.families.config_fields import as_dict, size
from fastv.families.decoders import llama_like
from fastv.families.deepstack import features_cut_along
from fastv.families.entry import ModelEntry
from fastv.families.qwen_vl import QwenVL
from fastv.families.shapes import DecoderShape, ModelShape, ProjectorShape
from fastv.families.vision_shapes import DynamicVisionShape

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig

_NOMINAL_SIDE = 768  # pixels; a picture of 576 visual tokens
PROMPT = "<|im_start|>user\n<|vision_start|>{picture}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
VISUAL_SPAN = (
    "one token for every 32 x 32 pixels of the image, between <|vision_start|> and <|vision_end|>: 1,024 "
    "for 1,024 x 1,024 pixels"
)
_SMALL_TOWER = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096}


def _text(width: int, ffn_width: int, layers: int, heads: int, kv_heads: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": ffn_width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        **more,
    }


def _entry(size: str, description: str, text: dict[str, Any], tower: dict[str, Any], moe: bool = False) -> ModelEntry:
    tied = size in ("2B", "4B")
    return ModelEntry(
        f"qwen3-vl-{size.lower()}",
        f"Qwen3-VL {size}",
        f"Qwen/Qwen3-VL-{size}-Instruct",
        description,
        prompt=PROMPT,
        visual_span=VISUAL_SPAN,
        visual_tokens=1_024,
        config={
            "model_type": "qwen3_vl_moe" if moe else "qwen3_vl",
            "text_config": text,
            "vision_config": tower | {"out_hidden_size": text["hidden_size"]},
            "tie_word_embeddings": tied,
        },
    )


@dataclass(frozen=True)
class DeepStackVisionShape(DynamicVisionShape):
    """Qwen3-VL's tower: learned positions, and ``levels`` more projectors for features added between decoder layers.

    positions: learned position embeddings. out_width: the decoder's.
    """

    positions: int = 2304
    levels: int = 3
    out_width: int = 0

    @property
    def block(self) -> int:
        """Numbers in what becomes a visual token."""
        return self.merge**2 * self.width

    @property
    def parameters(self) -> int:
        bias = self.width
        level = self.block**2 + self.block + self.block * self.out_width + self.out_width + 2 * self.block
        return super().parameters + bias + self.positions * self.width + self.levels * level

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        levels = 2.0 * visual_tokens * self.block * (self.block + self.out_width) * self.levels
        return super().flops(visual_tokens, pictures, frames) + levels


def qwen3_vl_text(settings: Mapping[str, Any]) -> DecoderShape:
    """The dense decoder, by the defaults of its config class."""
    return llama_like({"head_dim": 128, **settings}, ffn_width=22016, kv_heads=32, vocabulary=151936, head_norms=True)


def qwen3_vl_moe_text(settings: Mapping[str, Any]) -> DecoderShape:
    """The decoder with experts, by the defaults of its config class."""
    return llama_like(
        settings,
        width=2048,
        ffn_width=5632,
        layers=24,
        heads=16,
        kv_heads=16,
        vocabulary=151936,
        head_norms=True,
        experts=60,
        experts_per_token=4,
        expert_width=1408,
    )


class Qwen3VL(QwenVL):
    name = "Qwen3-VL"
    model_types = ("qwen3_vl", "qwen3_vl_moe")
    decoder_types = {"qwen3_vl_text": qwen3_vl_text, "qwen3_vl_moe_text": qwen3_vl_moe_text}
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries: ClassVar[tuple[ModelEntry, ...]] = (
        _entry("2B", "Small enough for a laptop.", _text(2048, 6144, 28, 16, 8), _SMALL_TOWER),
        _entry("4B", "The second smallest of the family.", _text(2560, 9728, 36, 32, 8), _SMALL_TOWER),
        _entry("8B", "The most used open vision-language model of its size.", _text(4096, 12288, 36, 32, 8), {}),
        _entry("32B", "The largest dense one.", _text(5120, 25600, 64, 64, 8), {}),
        _entry(
            "30B-A3B",
            "With experts: of 30 billion weights, 3 billion work on each token.",
            _text(
                2048,
                6144,
                48,
                32,
                4,
                head_dim=128,
                num_experts=128,
                num_experts_per_tok=8,
                moe_intermediate_size=768,
            ),
            {},
            moe=True,
        ),
    )

    def while_pruned(self, model: nn.Module, kept: KeptColumns) -> AbstractContextManager[Any]:
        return features_cut_along(self.decoder(model), kept)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import Qwen3VLProcessor

        from fastv.families.processors import read_with_videos
        from fastv.families.videos import PairedFrameVideoProcessor

        return read_with_videos(source, Qwen3VLProcessor, PairedFrameVideoProcessor)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings")}
        decoder = (qwen3_vl_moe_text if settings.get("model_type") == "qwen3_vl_moe" else qwen3_vl_text)(text)
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        return with_tower(decoder, tower, levels=len(tower.get("deepstack_visual_indexes") or (8, 16, 24)))


def with_tower(decoder: DecoderShape, tower: Mapping[str, Any], levels: int) -> ModelShape:
    """A decoder behind the tower of a ``vision_config``; levels: see ``DeepStackVisionShape``."""
    patch, merge = size(tower, "patch_size", 16), size(tower, "spatial_merge_size", 2)
    vision = DeepStackVisionShape(
        width=size(tower, "hidden_size", 1152),
        ffn_width=size(tower, "intermediate_size", 4304),
        layers=size(tower, "depth", 27),
        patch_size=patch,
        channels=size(tower, "in_channels", 3),
        merge=merge,
        patch_frames=size(tower, "temporal_patch_size", 2),
        heads=size(tower, "num_heads", 16),
        positions=size(tower, "num_position_embeddings", 2304),
        levels=levels,
        out_width=decoder.width,
    )
    tokens = (_NOMINAL_SIDE // (patch * merge)) ** 2
    return ModelShape(decoder, vision, ProjectorShape(vision.block, tokens, inner_width=vision.block))
