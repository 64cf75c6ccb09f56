"""Granite 4 Vision: LLaVA-NeXT's overview and finer grid, of fewer visual tokens, whose features are added before
several decoder layers: those of some vision layers, and of each corner of 2 x 2 patches of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.errors import UnsupportedModelError
from fastv.families.anyres_shapes import AnyResVisionShape, listed_grids
from fastv.families.base import Family, KeptColumns
from fastv.families.config_fields import as_dict, size
from fastv.families.decoders import llama_like
from fastv.families.deepstack import features_before_layers_cut_along
from fastv.families.entry import ModelEntry
from fastv.families.llava_next import LlavaNext
from fastv.families.qformer_shapes import WindowQFormerShape
from fastv.families.shapes import ModelShape
from fastv.families.siglip_shapes import head_flops, head_parameters
from fastv.families.tiles import patch_side, picture_side
from fastv.families.vision_towers import class_tokens

if TYPE_CHECKING:
    from torch import nn

_CORNERS = 4  # of the 2 x 2 patches from which further features are taken
_TILES = tuple((rows, columns) for rows in range(1, 11) for columns in range(1, 11) if rows * columns <= 10)


@dataclass(frozen=True)
class GraniteVisionShape(AnyResVisionShape):
    """pooled: see ``SiglipVisionShape``. side_tokens: rows, and columns, of a tile's visual tokens."""

    pooled: bool = True
    side_tokens: int = 1

    @property
    def tile_side(self) -> int:
        return self.side_tokens

    @property
    def parameters(self) -> int:
        return super().parameters + self.pooled * head_parameters(self.width, self.ffn_width)

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        head = head_flops(self.patches, self.width, self.ffn_width)
        return super().flops(visual_tokens, pictures, frames) + self.pooled * visual_tokens / self.tile_tokens * head


class Granite4Vision(LlavaNext):
    name = "Granite 4 Vision"
    model_types = ("granite4_vision",)
    unquantized = ("model.vision_tower", "model.layerwise_projectors", "model.spatial_projectors", "lm_head")
    decoder_types = {"granite4_vision_text": llama_like}
    # Sizes as in the checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        ModelEntry(
            "granite-vision-4.1-4b",
            "Granite Vision 4.1 4B",
            "ibm-granite/granite-vision-4.1-4b",
            "For documents, charts and tables; what it sees enters the decoder at eight depths.",
            prompt="<|start_of_role|>user<|end_of_role|>{picture}\n{question}<|end_of_text|>\n"
            "<|start_of_role|>assistant<|end_of_role|>",
            visual_span="1,476 tokens for a square image: an overview of 144, then tiles, each row with a newline",
            visual_tokens=1_476,
            config={
                "model_type": "granite4_vision",
                "text_config": {
                    "hidden_size": 2560,
                    "intermediate_size": 8192,
                    "num_hidden_layers": 40,
                    "num_attention_heads": 40,
                    "num_key_value_heads": 8,
                    "vocab_size": 100_353,
                },
                "vision_config": {
                    "model_type": "siglip_vision_model",
                    "hidden_size": 1152,
                    "intermediate_size": 4304,
                    "num_hidden_layers": 27,
                    "num_attention_heads": 16,
                    "image_size": 384,
                    "patch_size": 16,
                },
                "vision_feature_select_strategy": "full",
                "image_grid_pinpoints": [[384 * rows, 384 * columns] for rows, columns in _TILES],
                "downsample_rate": "4/8",
                "deepstack_layer_map": [[-19, 9], [-13, 6], [-7, 3], [-1, 0]],
                "tie_word_embeddings": True,
            },
        ),
    )

    prompt = Family.prompt

    tower_layer = Family.tower_layer  # its projector mixes the patches of a window

    def while_pruned(self, model: nn.Module, kept: KeptColumns) -> AbstractContextManager[Any]:
        return features_before_layers_cut_along(self.decoder(model), kept)

    def _tile_side(self, config: Any) -> int:
        queries, patches = _window(config.downsample_rate)
        return picture_side(config.vision_config) // patch_side(config.vision_config) * queries // patches

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {}, "text_config")
        if settings.get("tie_word_embeddings"):
            text = {**text, "tie_word_embeddings": True}
        decoder, vision = llama_like(text), self._vision(settings)
        given = settings.get("qformer_config")
        former = as_dict(given or {}, "qformer_config")
        queries, patches = _window(settings.get("downsample_rate"))
        projector = WindowQFormerShape(
            vision.width,
            vision.picture_tokens(672, 672, 0, 0),
            count=len(settings.get("deepstack_layer_map") or ()) + _CORNERS,
            queries=queries**2,
            patches=patches**2,
            ffn_width=size(former, "intermediate_size", 3072),
            layers=size(former, "num_hidden_layers", 12 if given else 1),
            crossing=size(former, "cross_attention_frequency", 2 if given else 1),
        )
        return ModelShape(decoder, vision, projector)

    def _vision(self, settings: Mapping[str, Any]) -> GraniteVisionShape:
        tower = as_dict(settings.get("vision_config") or self.tower, "vision_config")
        kind = tower.get("model_type", self.tower["model_type"])
        leading = class_tokens(kind)
        if leading is None:
            raise UnsupportedModelError(f"The cost of a vision tower of model_type {kind!r} is not known.")
        patch, side = size(tower, "patch_size"), size(tower, "image_size")
        queries, patches = _window(settings.get("downsample_rate"))
        tokens = side // patch * queries // patches
        return GraniteVisionShape(
            width=size(tower, "hidden_size"),
            ffn_width=size(tower, "intermediate_size"),
            layers=size(tower, "num_hidden_layers"),
            patches=(side // patch) ** 2,
            patch_size=patch,
            channels=size(tower, "num_channels", 3),
            tile_tokens=tokens**2,
            class_tokens=leading,
            outer_norms=1 + leading,
            patch_bias=not leading,
            grids=listed_grids(settings, self.grids),
            pooled=not leading and bool(tower.get("vision_use_head", True)),
            side_tokens=tokens,
        )


def _window(rate: Any) -> tuple[int, int]:
    """Queries, and patches, of a window's side, from "4/8". Raises UnsupportedModelError."""
    queries, _, patches = str(rate).partition("/")
    if not (queries.isdecimal() and patches.isdecimal() and 0 < int(queries) <= int(patches) < 1000):
        raise UnsupportedModelError(f"downsample_rate in the config must be like '4/8', not {rate!r}.")
    return int(queries), int(patches)
