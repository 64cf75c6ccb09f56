"""LFM2-VL: a picture is read whole at its own proportions, or as tiles and an overview, by a decoder of short
convolutions among which some layers attend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family, Processor
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import llama_like
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.naflex_shapes import NaflexVisionShape, picture_limits
from fastv.families.recurrent_shapes import HybridDecoderShape, convolving
from fastv.families.shapes import ModelShape, ProjectorShape
from fastv.families.tiled_shapes import NormedProjectorShape
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_BASE_TOWER = {
    "model_type": "siglip2_vision_model",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vision_use_head": False,
}
_LARGE_TOWER = _BASE_TOWER | {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}


def _layers(count: int, attending: Sequence[int]) -> list[str]:
    return ["full_attention" if layer in attending else "conv" for layer in range(count)]


_SIXTEEN = _layers(16, (2, 5, 8, 10, 12, 14))
_THIRTY = _layers(30, (2, 5, 9, 13, 17, 21, 24, 27))


def _entry(
    name: str, description: str, tokens: int, text: dict[str, Any], tower: dict[str, Any], **more: Any
) -> ModelEntry:
    overview = " and an overview" if more["use_thumbnail"] else ""
    return ModelEntry(
        name.lower(),
        name,
        f"LiquidAI/{name}",
        description,
        prompt="<|startoftext|><|im_start|>user\n{picture}{question}<|im_end|>\n<|im_start|>assistant\n",
        visual_span=f"256 tokens for each tile of 512 x 512 pixels{overview}: {tokens:,} for 1,024 x 1,024 pixels",
        visual_tokens=tokens,
        config={"model_type": "lfm2_vl", "text_config": text, "vision_config": tower, **more},
    )


def lfm2_text(settings: Mapping[str, Any]) -> HybridDecoderShape:
    """The decoder, by the defaults of its config class. Its FFN is two thirds as wide as named, rounded up."""
    ffn = size(settings, "block_ff_dim" if settings.get("block_ff_dim") else "intermediate_size", 12_288)
    if settings.get("block_auto_adjust_ff_dim", True):
        multiple, scale = size(settings, "block_multiple_of", 256), float(settings.get("block_ffn_dim_multiplier") or 1)
        ffn = -(-int(scale * int(2 * ffn / 3)) // multiple) * multiple
    tied = settings.get("tie_embedding", settings.get("tie_word_embeddings", True))
    plain = llama_like(
        {**settings, "intermediate_size": ffn, "tie_word_embeddings": tied},
        width=2560,
        kv_heads=8,
        vocabulary=65_536,
        head_norms=True,
    )
    return convolving(settings, plain)


class Lfm2VL(Family):
    name = "LFM2-VL"
    model_types = ("lfm2_vl",)
    splits_pictures = True
    unquantized = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    decoder_types = {"lfm2": lfm2_text}
    # Sizes as in each checkpoint's config.json on the hub, of the 3B's projector as in a compiled copy's; what is left
    # out is the default of the config class.
    entries = (
        _entry(
            "LFM2-VL-450M",
            "Small and quick: most layers are short convolutions, which keep no keys and values.",
            1_024,
            {
                "model_type": "lfm2",
                "hidden_size": 1024,
                "intermediate_size": 6656,
                "num_hidden_layers": 16,
                "num_attention_heads": 16,
                "layer_types": _SIXTEEN,
            },
            _BASE_TOWER,
            use_thumbnail=False,
        ),
        _entry(
            "LFM2-VL-1.6B",
            "The second smallest; it also sees an overview of an image that is cut into tiles.",
            1_280,
            {"model_type": "lfm2", "hidden_size": 2048, "num_hidden_layers": 16, "layer_types": _SIXTEEN},
            _LARGE_TOWER | {"num_hidden_layers": 26},
            use_thumbnail=True,
        ),
        _entry(
            "LFM2-VL-3B",
            "The largest: 8 of 30 layers attend.",
            1_280,
            {
                "model_type": "lfm2",
                "hidden_size": 2048,
                "intermediate_size": 10_752,
                "block_auto_adjust_ff_dim": False,
                "num_hidden_layers": 30,
                "layer_types": _THIRTY,
            },
            _LARGE_TOWER,
            use_thumbnail=True,
            projector_hidden_size=2048,
        ),
    )

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        if inputs.get("spatial_shapes") is None:
            return None
        return [VisualGroup(1, rows, columns) for rows, columns in self._grids(model.config, inputs)]

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Pixels are (pieces, patches, numbers in a patch), each patch row by row, a pixel's three channels together;
        patches beyond a piece's own are zero.
        """
        if "spatial_shapes" not in inputs:
            return []
        frames: list[Frame] = []
        shapes = inputs["spatial_shapes"].tolist()
        for patches, (high, wide), grid in zip(inputs["pixel_values"], shapes, self._grids(config, inputs)):
            side = round((patches.shape[-1] / 3) ** 0.5)
            squares = patches[: high * wide].view(high, wide, side, side, 3)
            frames.append(Frame(squares.permute(4, 0, 2, 1, 3).reshape(3, high * side, wide * side), grid))
        return frames

    def _grids(self, config: Any, inputs: Mapping[str, Any]) -> list[tuple[int, int]]:
        """Rows and columns of visual tokens of each piece of the pictures."""
        merge = config.downsample_factor
        return [(high // merge, wide // merge) for high, wide in inputs["spatial_shapes"].tolist()]

    def encoded_tokens(self, config: Any, inputs: Mapping[str, Tensor]) -> int | None:
        """With those that fill each piece up to one length."""
        pixels = inputs.get("pixel_values")
        return None if pixels is None else pixels.shape[0] * pixels.shape[1] // config.downsample_factor**2

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import AutoTokenizer, Lfm2VlProcessor

        from fastv.families.lfm2_vl_pictures import Lfm2VlPictures

        pictures = Lfm2VlPictures.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        settings, _ = Lfm2VlProcessor.get_processor_dict(source)
        return Lfm2VlProcessor.from_args_and_dict([pictures, tokenizer], settings)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {"model_type": "lfm2"}, "text_config")
        tied = settings.get("tie_embedding", settings.get("tie_word_embeddings", True))
        text = {**text, "tie_embedding": tied}
        decoder = reader_for({"lfm2": lfm2_text}, text.get("model_type", "lfm2"), "text part")(text)
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        limits = picture_limits({"encoder_patch_size": tower.get("patch_size"), **settings})
        vision = NaflexVisionShape(
            width=size(tower, "hidden_size", 768),
            ffn_width=size(tower, "intermediate_size", 3072),
            layers=size(tower, "num_hidden_layers", 12),
            channels=size(tower, "num_channels", 3),
            positions=size(tower, "num_patches", 256),
            pooled=bool(tower.get("vision_use_head", True)),
            limits=limits,
        )
        normed = settings.get("projector_use_layernorm", True)
        projector = (NormedProjectorShape if normed else ProjectorShape)(
            limits.merge**2 * vision.width,
            vision.picture_tokens(672, 672, 0, 0),
            bias=bool(settings.get("projector_bias", True)),
            inner_width=size(settings, "projector_hidden_size", 2560),
        )
        return ModelShape(decoder, vision, projector)
