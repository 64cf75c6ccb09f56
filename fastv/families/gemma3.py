"""Gemma 3: five layers of six see a window of the sequence, and the tokens of a picture see each other both ways.

Layers that rank see what they attend to: a sliding one ranks visual tokens beyond its window last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family, base_of
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import DECODERS, llama_like
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.shapes import DecoderShape, ModelShape
from fastv.families.tiled_shapes import LinearProjectorShape, OneTileVisionShape
from fastv.families.tower_layers import TowerLayer, TowerSequences, encoder_layer
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_TOWER = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 896,
    "patch_size": 14,
    "vision_use_head": False,
}

_MOST_LAYERS = 10_000  # more than any model has: configs may be anyone's


def _entry(billions: int, description: str, **text: int) -> ModelEntry:
    return ModelEntry(
        f"gemma-3-{billions}b",
        f"Gemma 3 {billions}B",
        f"google/gemma-3-{billions}b-it",
        description,
        prompt="<start_of_turn>user\n{picture}{question}<end_of_turn>\n<start_of_turn>model\n",
        visual_span="256 tokens for every image, between <start_of_image> and <end_of_image>",
        visual_tokens=256,
        config={
            "model_type": "gemma3",
            "text_config": {"model_type": "gemma3_text", "sliding_window": 1024, **text},
            "vision_config": _TOWER,
        },
    )


def _text(settings: Mapping[str, Any]) -> DecoderShape:
    settings = {"head_dim": 256, "tie_word_embeddings": True, **settings}
    layers, pattern = (
        min(size(settings, "num_hidden_layers", 26), _MOST_LAYERS),
        size(settings, "sliding_window_pattern", 6),
    )
    kinds = settings.get("layer_types")
    sliding = (
        [kind == "sliding_attention" for kind in kinds] if kinds else [(i + 1) % pattern > 0 for i in range(layers)]
    )
    return llama_like(
        settings,
        width=2304,
        ffn_width=9216,
        layers=26,
        heads=8,
        kv_heads=4,
        vocabulary=262208,
        head_norms=True,
        layer_norms=4,
        window=size(settings, "sliding_window", 4096),
        sliding=tuple(sliding),
    )


@dataclass(frozen=True)
class _PooledProjectorShape(LinearProjectorShape):
    """A norm and a matrix behind the pooled patches."""

    def parameters(self, width: int) -> int:
        return super().parameters(width) + self.input_width


class Gemma3(Family):
    name = "Gemma 3"
    model_types = ("gemma3",)
    unquantized = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    decoder_types = {"gemma3_text": _text}
    renumbers = False
    # Sizes as the authors' conversion of the weights has them; what is left out is the default of the config class.
    entries = (
        _entry(4, "The smallest Gemma 3 that sees.", hidden_size=2560, intermediate_size=10240, num_hidden_layers=34),
        _entry(
            12,
            "Of middle size.",
            hidden_size=3840,
            intermediate_size=15360,
            num_hidden_layers=48,
            num_attention_heads=16,
            num_key_value_heads=8,
        ),
        _entry(
            27,
            "The largest Gemma 3.",
            hidden_size=5376,
            intermediate_size=21504,
            num_hidden_layers=62,
            num_attention_heads=32,
            num_key_value_heads=16,
            head_dim=128,
        ),
    )

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        picture = VisualGroup(1, *(_side(model.config),) * 2)
        return [picture] * (sum(counts) // picture.tokens)

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        layer = encoder_layer(base.vision_tower, -1)
        patches, side = config.vision_config.image_size // config.vision_config.patch_size, _side(config)

        def pooled(sequences: int, length: int) -> Tensor:
            """The square of patches that a visual token is the mean of."""
            import torch

            numbers = torch.arange(sequences * length).view(sequences, side, patches // side, side, patches // side)
            return numbers.transpose(2, 3).reshape(sequences * side**2, -1)

        def sequences(_token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            return TowerSequences(None, pooled)

        return TowerLayer({config.image_token_id: layer.self_attn}, False, sequences)

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        return [Frame(picture, (_side(config),) * 2) for picture in inputs.get("pixel_values", ())]

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings", True)}
        reader = reader_for(DECODERS | self.decoder_types, text.get("model_type", "gemma3_text"), "text part")
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        width, patch = size(tower, "hidden_size", 768), size(tower, "patch_size", 16)
        tokens = size(settings, "mm_tokens_per_image", 256)
        vision = OneTileVisionShape(
            width=width,
            ffn_width=size(tower, "intermediate_size", 3072),
            layers=size(tower, "num_hidden_layers", 12),
            patches=(size(tower, "image_size", 224) // patch) ** 2,
            patch_size=patch,
            channels=size(tower, "num_channels", 3),
            tile_tokens=tokens,
            heads=size(tower, "num_attention_heads", 12),
        )
        return ModelShape(reader(text), vision, _PooledProjectorShape(width, tokens, bias=False))


def _side(config: Any) -> int:
    """Rows, and columns, of a picture's visual tokens."""
    return int(config.mm_tokens_per_image**0.5)
