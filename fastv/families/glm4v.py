"""GLM-4.1V and GLM-4.6V: pictures of any size as in Qwen2-VL, behind a tower with its own way of merging patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family, Processor
from fastv.families.config_fields import as_dict, size
from fastv.families.decoders import llama_like
from fastv.families.entry import ModelEntry
from fastv.families.qwen_vl import QwenVL
from fastv.families.shapes import DecoderShape, ModelShape, ProjectorShape
from fastv.families.vision_shapes import DynamicVisionShape

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_NOMINAL_SIDE = 672  # pixels; a picture of 576 visual tokens


@dataclass(frozen=True)
class Glm4vVisionShape(DynamicVisionShape):
    """Layers without biases, learned positions, and a convolution that merges patches.

    positions: learned position embeddings. out_width: of the merged patches.
    """

    positions: int = 576
    out_width: int = 0

    @property
    def parameters(self) -> int:
        width = self.width
        patches = self.channels * self.patch_frames * self.patch_size**2 * width + width
        layer = 4 * width**2 + 3 * width * self.ffn_width + 2 * width
        merging = self.merge**2 * width * self.out_width + self.out_width
        return patches + self.positions * width + self.layers * layer + 2 * width + merging

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        merging = 2.0 * visual_tokens * self.merge**2 * self.width * self.out_width
        return super().flops(visual_tokens, pictures, frames) + merging


@dataclass(frozen=True)
class Glm4vProjectorShape(ProjectorShape):
    """A square layer, a LayerNorm, and a gated FFN of ``inner_width``, all of the decoder's width."""

    def parameters(self, width: int) -> int:
        return width**2 + 2 * width + 3 * width * self.inner_width

    def flops(self, width: int, tokens: int) -> float:
        return 2.0 * tokens * width * (width + 3 * self.inner_width)


def glm4v_text(settings: Mapping[str, Any]) -> DecoderShape:
    """The decoder, by the defaults of its config class: four norms in each layer."""
    return llama_like(
        settings,
        ffn_width=13696,
        layers=40,
        kv_heads=2,
        vocabulary=151552,
        qkv_bias=True,
        layer_norms=4,
    )


class Glm4v(QwenVL):
    name = "GLM-V"
    model_types = ("glm4v", "glm46v")
    videos = False  # their frames stand in the prompt as pictures do
    decoder_types = {"glm4v_text": glm4v_text}
    # Sizes as in the checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        ModelEntry(
            "glm-4.1v-9b",
            "GLM-4.1V 9B Thinking",
            "zai-org/GLM-4.1V-9B-Thinking",
            "Thinks before it answers: long answers, in which prefill matters less.",
            prompt="[gMASK]<sop><|user|>\n<|begin_of_image|>{picture}<|end_of_image|>{question}<|assistant|>\n",
            visual_span="one token for every 28 x 28 pixels of the image, between <|begin_of_image|> and "
            "<|end_of_image|>: 1,369 for 1,024 x 1,024 pixels",
            visual_tokens=1_369,
            config={"model_type": "glm4v", "text_config": {}, "vision_config": {}},
        ),
    )

    tower_layer = Family.tower_layer
    reduced_pictures = Family.reduced_pictures  # type: ignore[assignment]  # QwenVL's is a generator's

    def visual_token_ids(self, config: Any) -> tuple[int, ...]:
        return (config.image_token_id,)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import Glm4vProcessor, Glm46VProcessor

        from fastv.families.processors import read_with_videos
        from fastv.families.videos import PairedFrameVideoProcessor

        kind = Glm46VProcessor if config.model_type == "glm46v" else Glm4vProcessor
        return read_with_videos(source, kind, PairedFrameVideoProcessor)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings")}
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        patch, merge = size(tower, "patch_size", 14), size(tower, "spatial_merge_size", 2)
        out_width = size(tower, "out_hidden_size", 4096)
        vision = Glm4vVisionShape(
            width=size(tower, "hidden_size", 1536),
            ffn_width=out_width,
            layers=size(tower, "depth", 24),
            patch_size=patch,
            channels=size(tower, "in_channels", 3),
            merge=merge,
            patch_frames=size(tower, "temporal_patch_size", 2),
            ffn_matrices=3,
            positions=(size(tower, "image_size", 336) // patch) ** 2,
            out_width=out_width,
        )
        tokens = (_NOMINAL_SIDE // (patch * merge)) ** 2
        inner = size(tower, "intermediate_size", 13696)
        return ModelShape(glm4v_text(text), vision, Glm4vProjectorShape(out_width, tokens, inner_width=inner))
