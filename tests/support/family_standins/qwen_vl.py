"""The stand-ins of Qwen2-VL and Qwen2.5-VL."""

from __future__ import annotations

from typing import ClassVar

import torch
from transformers import (
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
)

from fastv.families.processors import taking_frame_videos
from fastv.families.videos import PairedFrameVideoProcessor
from tests.support.family_standins.base import (
    END,
    IMAGE_TOKEN,
    PICTURE,
    START,
    VIDEO,
    VIDEO_TOKEN,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
    text_config,
)

QWEN_PATCH, QWEN_CHANNELS = 2, 3 * 2 * 2 * 2  # pixels of a patch side; numbers in a patch of two frames
QWEN_GRIDS = {PICTURE: (1, 4, 6), WIDE: (1, 4, 8), VIDEO: (2, 6, 4)}  # in patches; four make a visual token
MOST_PIXELS = 576  # of a picture
TOKENS = dict(
    image_token_id=IMAGE_TOKEN, video_token_id=VIDEO_TOKEN, vision_start_token_id=START, vision_end_token_id=END
)


def qwen_text(**shape) -> dict:
    """The same with positions of three dimensions, and heads that divide the width."""
    text = text_config(**shape)
    half = text.pop("head_dim") // 2
    sections = [half - 2 * (half // 3), half // 3, half // 3]
    return dict(rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": sections}) | text


class QwenStandIn(StandIn):
    visual_tokens = {part: t * h * w // 4 for part, (t, h, w) in QWEN_GRIDS.items()}
    video_frames = 2 * QWEN_GRIDS[VIDEO][0]
    marked = True
    towers = ("model.visual", "model.visual")
    projector = "model.visual.merger"
    projector_in_tower = True
    hub_names = (("model.language_model.", "model."), ("model.visual.", "visual."))
    flat_text = True
    processor_class: ClassVar[type[ProcessorMixin]]

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        made = {}
        for kind, pixels, videos in (("image", "pixel_values", False), ("video", "pixel_values_videos", True)):
            grids = [QWEN_GRIDS[part] for part in parts if (part == VIDEO) == videos]
            if grids:
                made[f"{kind}_grid_thw"] = torch.tensor(grids)
                patches = sum(t * h * w for t, h, w in grids)
                made[pixels] = torch.randn(patches, QWEN_CHANNELS, generator=generator)
        return made

    def processor(self) -> ProcessorMixin:
        pictures = Qwen2VLImageProcessorPil(
            patch_size=QWEN_PATCH, merge_size=2, temporal_patch_size=2, min_pixels=64, max_pixels=MOST_PIXELS
        )
        special = {
            START: "<|vision_start|>",
            END: "<|vision_end|>",
            VIDEO_TOKEN: "<|video_pad|>",
            IMAGE_TOKEN: "<|image_pad|>",
        }
        spans = (f"<|vision_start|>{pad}<|vision_end|>" for pad in ("<|image_pad|>", "<|video_pad|>"))
        return taking_frame_videos(self.processor_class)(
            image_processor=pictures,
            video_processor=PairedFrameVideoProcessor(pictures),
            tokenizer=small_tokenizer(special),
            chat_template=chat_template(*spans),
        )


class Qwen2VLStandIn(QwenStandIn):
    key = "qwen2_vl"
    processor_class = Qwen2VLProcessor

    def config(self, **shape) -> Qwen2VLConfig:
        text = qwen_text(**shape)
        tower = dict(
            depth=2, embed_dim=16, hidden_size=text["hidden_size"], mlp_ratio=2, num_heads=2, patch_size=QWEN_PATCH
        )
        return Qwen2VLConfig(text_config=text, vision_config=tower, **TOKENS)

    def build(self, config: Qwen2VLConfig, attention: str) -> Qwen2VLForConditionalGeneration:
        return Qwen2VLForConditionalGeneration._from_config(config, attn_implementation=attention)


class Qwen2_5VLStandIn(QwenStandIn):
    key = "qwen2_5_vl"
    processor_class = Qwen2_5_VLProcessor
    inexact_segments = (PICTURE, VIDEO)  # some of their windows, at the edge, are not full

    def config(self, **shape) -> Qwen2_5_VLConfig:
        text = qwen_text(**shape)
        tower = dict(
            depth=3,
            hidden_size=16,
            intermediate_size=20,
            num_heads=2,
            patch_size=QWEN_PATCH,
            out_hidden_size=text["hidden_size"],
            window_size=4 * QWEN_PATCH,
            fullatt_block_indexes=[1],
        )
        return Qwen2_5_VLConfig(text_config=text, vision_config=tower, **TOKENS)

    def build(self, config: Qwen2_5_VLConfig, attention: str) -> Qwen2_5_VLForConditionalGeneration:
        return Qwen2_5_VLForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        made = super().pixels(parts, generator)
        if "video_grid_thw" in made:
            made["second_per_grid_ts"] = torch.full((len(made["video_grid_thw"]),), 1.0)
        return made
