"""Mistral Small 3.1 and Ministral 3: pictures of any size, with a break token after each row of visual tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family, Processor
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.shapes import ModelShape, ProjectorShape
from fastv.families.vision_shapes import DynamicVisionShape
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_NOMINAL_SIDE = 672  # pixels; a picture of 576 visual tokens
_TEXT_24B = {
    "model_type": "mistral",
    "hidden_size": 5120,
    "intermediate_size": 32768,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 131072,
}


@dataclass(frozen=True)
class PixtralVisionShape(DynamicVisionShape):
    """Pixtral's tower: no bias anywhere, one norm before the layers."""

    @property
    def parameters(self) -> int:
        patches = self.channels * self.patch_size**2 * self.width
        layer = 4 * self.width**2 + 3 * self.width * self.ffn_width + 2 * self.width
        return patches + self.width + self.layers * layer


@dataclass(frozen=True)
class MergingProjectorShape(ProjectorShape):
    """A norm and a linear layer that merges ``merge`` x ``merge`` patches, before the two linear layers."""

    merge: int = 2

    def parameters(self, width: int) -> int:
        merging = self.input_width + self.merge**2 * self.input_width**2
        return super().parameters(width) + merging

    def flops(self, width: int, tokens: int) -> float:
        return super().flops(width, tokens) + 2.0 * tokens * self.merge**2 * self.input_width**2


class Mistral3(Family):
    name = "Mistral 3"
    model_types = ("mistral3",)
    unquantized = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    # Sizes as in the checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        ModelEntry(
            "mistral-small-3.1-24b",
            "Mistral Small 3.1 24B",
            "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
            "Images with a break token after each row.",
            prompt="<s>[INST]{picture}{question}[/INST]",
            visual_span="one token for every 28 x 28 pixels of the image, and a break after each row: 1,369 for "
            "1,024 x 1,024 pixels",
            visual_tokens=1_369,
            config={
                "model_type": "mistral3",
                "text_config": _TEXT_24B,
                "vision_config": {"model_type": "pixtral", "image_size": 1540, "patch_size": 14},
                "spatial_merge_size": 2,
                "tie_word_embeddings": False,
            },
        ),
    )

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        sizes = inputs.get("image_sizes")
        if sizes is None:
            return None
        return [VisualGroup(1, rows, columns) for rows, columns in _grids(model.config, sizes)]

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Pictures are (pictures, 3, height, width), each padded to the largest."""
        if "image_sizes" not in inputs:
            return []
        sizes = inputs["image_sizes"].tolist()
        return [
            Frame(pixels[:, :height, :width], grid)
            for pixels, (height, width), grid in zip(
                inputs["pixel_values"], sizes, _grids(config, inputs["image_sizes"]), strict=True
            )
        ]

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from fastv.families.pixtral_processor import read_pixtral_processor

        return read_pixtral_processor(source)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or _TEXT_24B, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings")}
        decoder = reader_for(DECODERS, text.get("model_type", "mistral"), "text part")(text)
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        patch, merge = size(tower, "patch_size", 14), size(settings, "spatial_merge_size", 2)
        width = size(tower, "hidden_size", 1024)
        vision = PixtralVisionShape(
            width=width,
            ffn_width=size(tower, "intermediate_size", 4096),
            layers=size(tower, "num_hidden_layers", 24),
            patch_size=patch,
            channels=size(tower, "num_channels", 3),
            merge=merge,
            patch_frames=1,
            ffn_matrices=3,
        )
        tokens = (_NOMINAL_SIDE // (patch * merge)) ** 2
        bias = bool(settings.get("multimodal_projector_bias", False))
        return ModelShape(decoder, vision, MergingProjectorShape(width, tokens, bias=bias, merge=merge))


def _grids(config: Any, sizes: Tensor) -> list[tuple[int, int]]:
    side = config.vision_config.patch_size * config.spatial_merge_size
    return [(height // side, width // side) for height, width in sizes.tolist()]
