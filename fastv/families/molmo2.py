"""Molmo2: an overview and tiles that overlap, pooled 2 x 2, and videos whose frames are pooled 3 x 3; the tokens of all
pictures see each other both ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family, Processor, base_of
from fastv.families.config_fields import as_dict
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.molmo2_shapes import molmo2_text, molmo2_tower, pooling_adapter
from fastv.families.shapes import ModelShape
from fastv.families.tower_layers import TowerLayer, TowerSequences
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


def _entry(billions: int, description: str, width: int, ffn_width: int) -> ModelEntry:
    return ModelEntry(
        f"molmo2-{billions}b",
        f"Molmo2 {billions}B",
        f"allenai/Molmo2-{billions}B",
        description,
        prompt="<|im_start|>user\n{picture}{question}<|im_end|>\n<|im_start|>assistant\n",
        visual_span="725 tokens for 1,024 x 1,024 pixels: an overview of 196, then tiles that overlap",
        visual_tokens=725,
        file_bits=32,
        config={
            "model_type": "molmo2",
            "text_config": {"hidden_size": width, "intermediate_size": ffn_width},
            "adapter_config": {"intermediate_size": ffn_width, "text_hidden_size": width},
        },
    )


class Molmo2(Family):
    name = "Molmo2"
    model_types = ("molmo2",)
    splits_pictures = True
    videos = True
    unquantized = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    decoder_types = {"molmo2_text": molmo2_text}
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        _entry(4, "Points at what it speaks of.", 2560, 9728),
        _entry(8, "The larger one.", 4096, 12_288),
    )

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        if (videos := inputs.get("video_grids")) is not None:
            return [VisualGroup(*grid) for grid in videos.tolist()]
        if inputs.get("image_grids") is None:
            return None
        return [VisualGroup(1, *grid) for grid in _grids(inputs)]

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        layers = base.vision_tower.layers
        taken = max(layer % len(layers) for layer in config.adapter_config.vision_feature_layer)

        def sequences(_token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            named = "image_token_pooling" if inputs.get("pixel_values") is not None else "video_token_pooling"
            pooling = inputs.get(named)
            return None if pooling is None else TowerSequences(None, lambda _count, _length: pooling.long())

        return TowerLayer({config.image_token_id: layers[taken].self_attn}, False, sequences)

    def visual_token_ids(self, config: Any) -> tuple[int, ...]:
        return (config.image_token_id,)  # frames of videos too

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Put together from the patches that each visual token is made of; beyond the picture's edge they are zero."""
        if "image_grids" in inputs:
            return _joined(inputs["pixel_values"], inputs["image_token_pooling"], list(_grids(inputs)))
        if "video_grids" not in inputs:
            return []
        grids = [(rows, columns) for count, rows, columns in inputs["video_grids"].tolist() for _ in range(count)]
        return _joined(inputs["pixel_values_videos"], inputs["video_token_pooling"], grids)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import AutoTokenizer, Molmo2Processor

        from fastv.families.molmo2_pictures import Molmo2Pictures, Molmo2Videos
        from fastv.families.processors import taking_frame_videos

        pictures = Molmo2Pictures.from_pretrained(source)
        parts = {
            "image_processor": pictures,
            "video_processor": Molmo2Videos(pictures),
            "tokenizer": AutoTokenizer.from_pretrained(source, trust_remote_code=False),
        }
        kind = taking_frame_videos(Molmo2Processor)
        settings, _ = kind.get_processor_dict(source)
        return kind.from_args_and_dict([parts[name] for name in kind.get_attributes()], settings)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        decoder = molmo2_text(as_dict(settings.get("text_config") or {}, "text_config"))
        first = settings.get("vit_config") if settings.get("vision_config") is None else None
        adapter = as_dict(settings.get("adapter_config") or {}, "adapter_config")
        taken = adapter.get("vision_feature_layer") or adapter.get("vit_layers") or (24, 18)
        tower = as_dict(first or settings.get("vision_config") or {}, "vision_config")
        vision = molmo2_tower(tower, taken if first else None)
        return ModelShape(decoder, vision, pooling_adapter(adapter, vision, vision.picture_tokens(672, 672, 0, 0)))


def _grids(inputs: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Rows and columns of visual tokens of each picture's overview and of its tiles together."""
    for high, wide, rows, columns in inputs["image_grids"].tolist():
        yield high, wide
        yield rows, columns


def _joined(pixels: Tensor, pooling: Tensor, grids: Sequence[tuple[int, int]]) -> list[Frame]:
    """Patches (tiles, patches, numbers in one) as pictures of these grids, whose visual tokens are made of the patches
    of this number, (tokens, patches of one).
    """
    pixels, pooling = pixels.flatten(0, 1), pooling.long()
    pool, side = round(pooling.shape[1] ** 0.5), round((pixels.shape[1] / 3) ** 0.5)
    frames: list[Frame] = []
    for (rows, columns), own in zip(grids, pooling.split([rows * columns for rows, columns in grids])):
        patches = pixels[own.clamp(min=0)] * (own >= 0)[..., None]
        squares = patches.view(rows, columns, pool, pool, side, side, 3)
        joined = squares.permute(6, 0, 2, 4, 1, 3, 5).reshape(3, rows * pool * side, columns * pool * side)
        frames.append(Frame(joined, (rows, columns)))
    return frames
