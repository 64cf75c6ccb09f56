"""Qwen2-VL and Qwen2.5-VL: pictures of any size, multimodal rotary positions, videos read in pairs of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fastv.families.base import Family, Processor, base_of
from fastv.families.config_fields import as_dict, size
from fastv.families.decoders import llama_like
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.multimodal_positions import sequence_length
from fastv.families.reduced_blocks import blocks_reduced
from fastv.families.reduced_pictures import Sizes
from fastv.families.shapes import DecoderShape, ModelShape, ProjectorShape
from fastv.families.tower_layers import TowerLayer, TowerSequences
from fastv.families.vision_shapes import DynamicVisionShape
from fastv.families.visual_groups import VisualGroup, in_prompt_order

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_NOMINAL_SIDE = 672  # pixels; a picture for which Qwen-VL has the 576 tokens of LLaVA-1.5
_PROMPT = (
    "<|im_start|>user\n<|vision_start|>{picture}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n, "
    "after a system line"
)
_VISUAL_SPAN = (
    "one token for every 28 x 28 pixels of the image, between <|vision_start|> and <|vision_end|>: 1,369 "
    "for 1,024 x 1,024 pixels"
)
_MAINTAINED = "The maintained line of the paper's QwenVL-Chat, whose own code current transformers cannot load. "

_TEXT_7B = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}
_TEXT_2B = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
_TEXT_3B = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
_QWEN2_TOWER = {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16}
_QWEN2_5_TOWER = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}


def _entry(key: str, name: str, source: str, description: str, revision: str, config: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry(
        key,
        name,
        source,
        description,
        revision=revision,
        prompt=_PROMPT,
        visual_span=_VISUAL_SPAN,
        visual_tokens=1_369,
        config=config,
    )


def qwen_text(settings: Mapping[str, Any]) -> DecoderShape:
    """The decoder of both, by the defaults of its config class, those of the 72B."""
    return llama_like(
        settings, width=8192, ffn_width=29568, layers=80, heads=64, kv_heads=8, vocabulary=152064, qkv_bias=True
    )


class QwenVL(Family):
    name = "Qwen-VL"
    model_types = ("qwen2_vl", "qwen2_5_vl")
    unquantized = ("model.visual", "lm_head")
    videos = True
    renumbers = False
    decoder_types = {"qwen2_vl_text": qwen_text, "qwen2_5_vl_text": qwen_text}
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries: ClassVar[tuple[ModelEntry, ...]] = (
        _entry(
            "qwen2-vl-2b",
            "Qwen2-VL 2B",
            "Qwen/Qwen2-VL-2B-Instruct",
            _MAINTAINED + "Small enough for a laptop.",
            "895c3a49bc3fa70a340399125c650a463535e71c",
            {"model_type": "qwen2_vl", **_TEXT_2B, "vision_config": _QWEN2_TOWER | {"hidden_size": 1536}},
        ),
        _entry(
            "qwen2-vl-7b",
            "Qwen2-VL 7B",
            "Qwen/Qwen2-VL-7B-Instruct",
            _MAINTAINED.strip(),
            "eed13092ef92e448dd6875b2a00151bd3f7db0ac",
            {"model_type": "qwen2_vl", **_TEXT_7B, "vision_config": _QWEN2_TOWER | {"hidden_size": 3584}},
        ),
        _entry(
            "qwen2.5-vl-3b",
            "Qwen2.5-VL 3B",
            "Qwen/Qwen2.5-VL-3B-Instruct",
            _MAINTAINED + "The successor of Qwen2-VL.",
            "66285546d2b821cf421d4f5eb2576359d3770cd3",
            {"model_type": "qwen2_5_vl", **_TEXT_3B, "vision_config": _QWEN2_5_TOWER | {"out_hidden_size": 2048}},
        ),
        _entry(
            "qwen2.5-vl-7b",
            "Qwen2.5-VL 7B",
            "Qwen/Qwen2.5-VL-7B-Instruct",
            _MAINTAINED + "The successor of Qwen2-VL.",
            "cc594898137f460bfe9f0759e9844b3ce807cfb5",
            {"model_type": "qwen2_5_vl", **_TEXT_7B, "vision_config": _QWEN2_5_TOWER | {"out_hidden_size": 3584}},
        ),
    )

    def sequence_length(
        self, model: nn.Module, attention_mask: Tensor | None, position_ids: Tensor | None
    ) -> int | None:
        return sequence_length(model, attention_mask, position_ids)

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        config: Any = model.config
        merge = config.vision_config.spatial_merge_size
        groups = {}
        for token, name in ((config.image_token_id, "image_grid_thw"), (config.video_token_id, "video_grid_thw")):
            grids = inputs.get(name)
            groups[token] = [
                VisualGroup(frames, rows // merge, columns // merge)
                for frames, rows, columns in ([] if grids is None else grids.tolist())
            ]
        return in_prompt_order(input_ids, groups) if any(groups.values()) else None

    @contextmanager
    def reduced_pictures(self, model: nn.Module, sizes: Sizes) -> Iterator[None]:
        base: Any = base_of(model)
        config: Any = model.config
        pictures, videos = ("pixel_values", "image_grid_thw"), ("pixel_values_videos", "video_grid_thw")
        with (
            blocks_reduced(base, "get_image_features", pictures, config.vision_config, config.image_token_id, sizes),
            blocks_reduced(base, "get_video_features", videos, config.vision_config, config.video_token_id, sizes),
        ):
            yield

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        """The last layer that attends to whole frames: in Qwen2-VL, and in Qwen2.5-VL's published sizes, the last."""
        base: Any = base_of(model)
        config: Any = model.config
        tower = base.visual
        whole = getattr(tower, "fullatt_block_indexes", None) or [len(tower.blocks) - 1]
        names = {config.image_token_id: "image_grid_thw", config.video_token_id: "video_grid_thw"}

        def sequences(token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            grids = inputs.get(names[token])
            if grids is None:
                return None
            lengths = [rows * columns for frames, rows, columns in grids.tolist() for _ in range(frames)]
            return TowerSequences(lengths, lambda *_: _merged_patches(tower, grids))

        attention = tower.blocks[max(whole)].attn
        return TowerLayer(dict.fromkeys(names, attention), has_cls=False, sequences=sequences)

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Patches of all pictures are the rows of one matrix, block by block. Of two frames the first is shown."""
        frames = []
        for pixels, grids in (("pixel_values", "image_grid_thw"), ("pixel_values_videos", "video_grid_thw")):
            start = 0
            for moments, rows, columns in inputs[grids].tolist() if grids in inputs else ():
                patches = inputs[pixels][start : start + moments * rows * columns]
                start += len(patches)
                frames += _unfolded(config.vision_config, patches, moments, rows, columns)
        return frames

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import Qwen2_5_VLProcessor, Qwen2VLProcessor

        from fastv.families.processors import read_with_videos
        from fastv.families.videos import PairedFrameVideoProcessor

        kind = Qwen2VLProcessor if config.model_type == "qwen2_vl" else Qwen2_5_VLProcessor
        return read_with_videos(source, kind, PairedFrameVideoProcessor)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or settings, "text_config")  # hub checkpoints have it all in one
        if settings.get("tie_word_embeddings"):
            text = {**text, "tie_word_embeddings": True}
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        vision = _qwen2_tower(tower) if settings.get("model_type") == "qwen2_vl" else _qwen2_5_tower(tower)
        block = vision.merge**2 * vision.width
        tokens = (_NOMINAL_SIDE // (vision.patch_size * vision.merge)) ** 2
        return ModelShape(qwen_text(text), vision, ProjectorShape(block, tokens, inner_width=block))


def _merged_patches(tower: Any, grids: Tensor) -> Tensor:
    """long (tokens, patches of each): which rows of a layer's hidden states become each visual token."""
    import torch

    block = tower.spatial_merge_size**2
    units = torch.arange(int(grids.prod(dim=1).sum()) // block)
    if hasattr(tower, "fullatt_block_indexes"):  # its layers see the units window by window
        from transformers.vision_utils import get_vision_window_index

        order, _ = get_vision_window_index(grids, tower.spatial_merge_size, tower.window_size, tower.patch_size)
        units = torch.argsort(torch.as_tensor(order).cpu())
    return units[:, None] * block + torch.arange(block)


def _unfolded(vision: Any, patches: Tensor, moments: int, rows: int, columns: int) -> list[Frame]:
    side, block = vision.patch_size, vision.spatial_merge_size
    high, wide = rows // block, columns // block
    parts = patches.view(moments, high, wide, block, block, vision.in_channels, vision.temporal_patch_size, side, side)
    pictures = parts[:, :, :, :, :, :, 0].permute(0, 5, 1, 3, 6, 2, 4, 7)
    pictures = pictures.reshape(moments, vision.in_channels, rows * side, columns * side)
    return [Frame(pixels, (high, wide)) for pixels in pictures]


def _tower(settings: Mapping[str, Any], **sizes: Any) -> DynamicVisionShape:
    return DynamicVisionShape(
        layers=size(settings, "depth", 32),
        channels=size(settings, "in_channels", 3),
        patch_size=size(settings, "patch_size", 14),
        merge=size(settings, "spatial_merge_size", 2),
        patch_frames=size(settings, "temporal_patch_size", 2),
        heads=size(settings, "num_heads", 16),
        **sizes,
    )


def _qwen2_tower(settings: Mapping[str, Any]) -> DynamicVisionShape:
    width = size(settings, "embed_dim", 1280)
    return _tower(settings, width=width, ffn_width=width * size(settings, "mlp_ratio", 4))


def _qwen2_5_tower(settings: Mapping[str, Any]) -> DynamicVisionShape:
    patch, merge = size(settings, "patch_size", 14), size(settings, "spatial_merge_size", 2)
    layers, whole = size(settings, "depth", 32), settings.get("fullatt_block_indexes", (7, 15, 23, 31))
    return _tower(
        settings,
        width=size(settings, "hidden_size", 3584),
        ffn_width=size(settings, "intermediate_size", 3420),
        window=size(settings, "window_size", 112) // merge // patch * merge,
        full_attention_layers=sum(index < layers for index in whole),
        ffn_matrices=3,
        norm_bias=False,
    )
