"""LLaVA-NeXT (AnyRes): a picture is an overview and a finer grid of tiles, without their padding.

Each row of the finer grid ends with a newline, which counts as a visual token and shows no part of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from fastv.errors import UnsupportedModelError
from fastv.families.anyres_patches import (
    Patches,
    finer_patches,
    joined,
    newline,
    overview_patches,
)
from fastv.families.anyres_shapes import (
    AnyResVisionShape,
    NewlineProjectorShape,
    finer_grid,
    listed_grids,
    margins,
    tile_grid,
)
from fastv.families.base import Family, base_of
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.llava import VICUNA_7B, VICUNA_PROMPT, Llava
from fastv.families.shapes import ModelShape
from fastv.families.tiles import patch_side, picture_side
from fastv.families.tower_layers import TowerLayer, TowerSequences, encoder_layer
from fastv.families.vision_towers import CLIP_LARGE_336, class_tokens
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

NEWLINE = VisualGroup(1, 1, 0, row_end=1)
_NEXT_GRIDS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))


def _next_entry(key: str, name: str, source: str, description: str, prompt: str, text: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry(
        key,
        name,
        source,
        description,
        prompt=prompt,
        visual_span="2,928 tokens for a square image: an overview of 576, then tiles, each row with a newline",
        visual_tokens=2_928,
        config={"model_type": "llava_next", "text_config": text, "vision_config": CLIP_LARGE_336},
    )


class LlavaNext(Llava):
    name = "LLaVA-NeXT"
    model_types = ("llava_next",)
    unquantized: ClassVar[tuple[str, ...]] = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    splits_pictures = True
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries: ClassVar[tuple[ModelEntry, ...]] = (
        _next_entry(
            "llava-next-vicuna-7b",
            "LLaVA-NeXT 7B (Vicuna)",
            "llava-hf/llava-v1.6-vicuna-7b-hf",
            "The second model of most papers on pruning.",
            VICUNA_PROMPT,
            VICUNA_7B,
        ),
        _next_entry(
            "llava-next-mistral-7b",
            "LLaVA-NeXT 7B (Mistral)",
            "llava-hf/llava-v1.6-mistral-7b-hf",
            "The same on Mistral, with keys and values shared among heads.",
            "[INST] {picture}\n{question} [/INST]",
            {"model_type": "mistral", "vocab_size": 32064},
        ),
    )
    grids: ClassVar[tuple[tuple[int, int], ...]] = _NEXT_GRIDS
    tower: ClassVar[Mapping[str, Any]] = CLIP_LARGE_336
    text_type: ClassVar[str] = "llama"

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        if inputs.get("image_sizes") is None or inputs.get("pixel_values_videos") is not None:
            return None
        groups: list[VisualGroup] = []
        for overview, finer in self._pictures(model.config, inputs):
            groups += [overview, finer]
        return groups

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        layer = encoder_layer(base.vision_tower, config.vision_feature_layer)
        lead = class_tokens(config.vision_config.model_type)
        if lead is None:
            return Family.tower_layer(self, model)

        def sequences(token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            patches = self.tower_patches(config, token, inputs, lead)
            return None if patches is None else TowerSequences(None, lambda *_: patches[0], patches[1])

        return TowerLayer(dict.fromkeys(self.visual_token_ids(config), layer.self_attn), bool(lead), sequences)

    def tower_patches(self, config: Any, token: int, inputs: Mapping[str, Any], lead: int) -> Patches | None:
        """Which of the tower's patches become the visual tokens that ``token`` stands for; None where inputs have none.

        lead: tokens of the tower before the patches of each tile.
        """
        parts = self._tower_parts(config, token, inputs, lead)
        return joined(*zip(*parts, strict=True)) if parts else None

    def _tower_parts(self, config: Any, token: int, inputs: Mapping[str, Any], lead: int) -> list[tuple[Patches, int]]:
        """What becomes of the tower's tokens, in their order, and how many these are; ``lead``: before each tile's."""
        if inputs.get("image_sizes") is None:
            return []
        side, parts = self._tile_side(config), []
        for shown, (_, finer) in zip(inputs["image_sizes"].tolist(), self._pictures(config, inputs)):
            parts.append((overview_patches(side, lead), 0))
            if finer is NEWLINE:
                parts.append((newline(), lead + side**2))
                continue
            rows, columns = tile_grid(shown, config.image_grid_pinpoints, picture_side(config.vision_config))
            tokens = finer_patches(shown, (rows, columns), side, lead, finer)
            parts.append((tokens, (1 + rows * columns) * (lead + side**2)))
        return parts

    reduced_pictures = Family.reduced_pictures

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Pictures are (pictures, tiles, 3, height, width), the first of each its overview; tiles beyond are zero."""
        if "image_sizes" not in inputs:
            return []
        frames: list[Frame] = []
        for number, (overview, finer) in enumerate(self._pictures(config, inputs)):
            tiles = inputs["pixel_values"][number]
            frames.append(Frame(tiles[0], (overview.rows, overview.columns)))
            if finer is NEWLINE:
                frames.append(Frame(tiles[0], (1, 0), row_end=1))
                continue
            shown = inputs["image_sizes"][number].tolist()
            rows, columns = tile_grid(shown, config.image_grid_pinpoints, picture_side(config.vision_config))
            joined = tiles[1 : 1 + rows * columns].unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)
            joined = joined.flatten(3, 4).flatten(1, 2)
            top, left = margins(shown, joined.shape[1:])
            joined = joined[:, top : joined.shape[1] - top, left : joined.shape[2] - left]
            frames.append(Frame(joined, (finer.rows, finer.columns), row_end=1))
        return frames

    def _pictures(self, config: Any, inputs: Mapping[str, Any]) -> Iterator[tuple[VisualGroup, VisualGroup]]:
        """Overview and finer grid of each picture."""
        side = self._tile_side(config)
        for shown in inputs["image_sizes"].tolist():
            grid = tile_grid(shown, config.image_grid_pinpoints, picture_side(config.vision_config))
            rows, columns = finer_grid(shown, grid, side, self._most_tiles(config))
            yield VisualGroup(1, side, side), VisualGroup(1, rows, columns, row_end=1)

    def _tile_side(self, config: Any) -> int:
        """Rows, and columns, of a tile's visual tokens."""
        return picture_side(config.vision_config) // patch_side(config.vision_config)

    def encoded_tokens(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> int | None:
        if "image_sizes" not in inputs:
            return None
        settings: Any = config
        vision = self.read_config(settings.to_dict()).vision
        assert isinstance(vision, AnyResVisionShape)  # as read below
        groups = zip(inputs["image_sizes"].tolist(), self._pictures(config, inputs))
        return vision.tile_tokens * sum(1 if finer is NEWLINE else vision.tiles(*size) for size, (_, finer) in groups)

    def _most_tiles(self, config: Any) -> int:
        """How many tiles' tokens a finer grid may have; 0 where it is never shrunk."""
        return 0

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {"model_type": self.text_type}, "text_config")
        if settings.get("tie_word_embeddings"):
            text = {**text, "tie_word_embeddings": True}
        decoder = reader_for(DECODERS, text.get("model_type", self.text_type), "text part")(text)
        vision = self._vision(settings)
        taken = settings.get("vision_feature_layer") or -1
        depth = 1 if isinstance(taken, int) else len(taken)  # several layers' features are laid side by side
        bias = settings.get("multimodal_projector_bias", True)
        projector = NewlineProjectorShape(depth * vision.width, 0, bias=bool(bias))
        shape = ModelShape(decoder, vision, projector)
        return replace(shape, projector=replace(projector, tokens=shape.picture_tokens(672, 672)))

    def _vision(self, settings: Mapping[str, Any]) -> AnyResVisionShape:
        tower = as_dict(settings.get("vision_config") or self.tower, "vision_config")
        kind = tower.get("model_type", self.tower["model_type"])
        leading = class_tokens(kind)
        if leading is None or kind == "siglip_vision_model" and tower.get("vision_use_head", True):
            raise UnsupportedModelError(
                f"The cost of a vision tower of model_type {kind!r} as it is here is not known."
            )
        patch, side = size(tower, "patch_size"), size(tower, "image_size")
        kept = leading if settings.get("vision_feature_select_strategy") == "full" else 0
        return AnyResVisionShape(
            width=size(tower, "hidden_size"),
            ffn_width=size(tower, "intermediate_size"),
            layers=size(tower, "num_hidden_layers"),
            patches=(side // patch) ** 2,
            patch_size=patch,
            channels=size(tower, "num_channels", 3),
            tile_tokens=(side // patch) ** 2 + kept,
            class_tokens=leading,
            outer_norms=1 + leading,
            patch_bias=not leading,
            grids=listed_grids(settings, self.grids),
            most_tiles=self._most_tiles(settings),
        )
