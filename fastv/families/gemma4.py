"""Gemma 4: sliding and full layers, inputs of each layer's own, and last layers that read the keys of earlier ones.

Where layers share keys, those of the layers that make them are of all tokens that were there: what is dropped after
them is still attended to. Cuts come before that, see ``last_cut``. Its processor has a budget of its own,
``max_soft_tokens``: 70, 140, 280 (its default), 560 or 1120 visual tokens for a picture at most. The tower was trained
at all of these, so that a smaller one is the model's own way to fewer tokens; the method ``lower_resolution`` takes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family, Processor, base_of
from fastv.families.frames import Frame
from fastv.families.gemma4_entries import ENTRIES
from fastv.families.gemma4_shapes import read_model, read_text
from fastv.families.reduced_pictures import Sizes
from fastv.families.reduced_rows import picture_of, rows_reduced
from fastv.families.shapes import ModelShape
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


class Gemma4(Family):
    name = "Gemma 4"
    model_types = ("gemma4",)
    unquantized = (
        "model.vision_tower",
        "model.audio_tower",
        "model.embed_vision",
        "model.embed_audio",
        "model.language_model.per_layer_model_projection",
        "lm_head",
    )
    kernels = {"": "sdpa", "text_config": "sdpa", "vision_config": "sdpa", "audio_config": "eager"}
    positions_by_cache = True
    renumbers = False
    decoder_types = {"gemma4_text": read_text}
    entries = ENTRIES

    def last_cut(self, model: nn.Module) -> int | None:
        """The first of the layers whose keys later ones read."""
        layers: Any = self.decoder(model).layers
        if not any(layer.self_attn.is_kv_shared_layer for layer in layers):
            return None
        return min(number for number, layer in enumerate(layers) if layer.self_attn.store_full_length_kv)

    def prune_arguments(
        self, selection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        hidden, *rest = args
        if rest and rest[0] is not None:
            rest[0] = selection.take(rest[0], -2)
        return (hidden, *rest), kwargs

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        places = inputs.get("image_position_ids")
        if places is None:
            return None
        return [VisualGroup(1, *grid) for grid in _grids(model.config, places)]

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """A picture comes as patches, in rows, and ends before the padding."""
        settings: Any = config
        if "pixel_values" not in inputs:
            return []
        side, pooled = settings.vision_config.patch_size, settings.vision_config.pooling_kernel_size
        found = []
        for patches, (rows, columns) in zip(inputs["pixel_values"], _grids(config, inputs["image_position_ids"])):
            found.append(Frame(picture_of(patches, rows * pooled, columns * pooled, side), (rows, columns)))
        return found

    def reduced_pictures(self, model: nn.Module, sizes: Sizes) -> AbstractContextManager[None]:
        config: Any = model.config
        tower, names = config.vision_config, ("pixel_values", "image_position_ids")
        side, pooled = tower.patch_size, tower.pooling_kernel_size

        def grids(places: Tensor) -> list[tuple[int, int]]:
            return _grids(config, places)

        return rows_reduced(base_of(model), side, pooled, config.image_token_id, grids, names, sizes)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        """For pictures; its parts for videos would need torchvision, and those for sounds are the default ones."""
        from transformers import AutoImageProcessor, AutoTokenizer, Gemma4AudioFeatureExtractor, Gemma4Processor

        from fastv.families.processors import taking_frame_videos
        from fastv.families.videos import FrameVideoProcessor

        pictures = AutoImageProcessor.from_pretrained(source, backend="pil", trust_remote_code=False)
        parts = {
            "feature_extractor": Gemma4AudioFeatureExtractor(),
            "image_processor": pictures,
            "video_processor": FrameVideoProcessor(pictures),
            "tokenizer": AutoTokenizer.from_pretrained(source, trust_remote_code=False),
        }
        kind = taking_frame_videos(Gemma4Processor)
        settings, _ = kind.get_processor_dict(source)
        return kind.from_args_and_dict([parts[name] for name in kind.get_attributes()], settings)

    def encoded_tokens(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> int | None:
        """Padding included, which the tower reads too."""
        pixels, settings = inputs.get("pixel_values"), config.to_dict()
        return None if pixels is None else pixels.shape[0] * pixels.shape[1] // _pooled(settings) ** 2

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        return read_model(settings)


def _pooled(settings: Mapping[str, Any]) -> int:
    return settings["vision_config"]["pooling_kernel_size"]


def _grids(config: Any, places: Tensor) -> list[tuple[int, int]]:
    """Rows and columns of each picture's visual tokens; places: long (pictures, patches, 2), column and row of each
    patch, -1 for padding.
    """
    pooled = config.vision_config.pooling_kernel_size
    return [(int(row + 1) // pooled, int(column + 1) // pooled) for column, row in places.amax(dim=1).tolist()]
