"""The stand-ins of GLM-4.1V and GLM-4.6V."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Glm4vImageProcessorPil,
    Glm4vProcessor,
    Glm46VConfig,
    Glm46VForConditionalGeneration,
)

from fastv.families.processors import taking_frame_videos
from fastv.families.videos import PairedFrameVideoProcessor
from tests.support.family_standins.base import (
    END,
    IMAGE_TOKEN,
    PICTURE,
    START,
    VIDEO_TOKEN,
    WIDE,
    chat_template,
    small_tokenizer,
)
from tests.support.family_standins.qwen_vl import QWEN_GRIDS, QWEN_PATCH, QwenStandIn, qwen_text

_VIDEO_START, _VIDEO_END = 93, 94


class Glm4vStandIn(QwenStandIn):
    key = "glm4v"
    visual_tokens = {part: QWEN_GRIDS[part][1] * QWEN_GRIDS[part][2] // 4 for part in (PICTURE, WIDE)}
    video_frames = 0
    hub_names = ()
    flat_text = False
    config_class: type = Glm4vConfig
    model_class: type = Glm4vForConditionalGeneration

    def config(self, **shape) -> Any:
        text = qwen_text(**shape)
        width = text["hidden_size"]
        tower = dict(
            depth=2,
            hidden_size=16,
            num_heads=2,
            image_size=8,
            patch_size=QWEN_PATCH,
            out_hidden_size=width,
            intermediate_size=24,
        )
        return self.config_class(
            text_config=text,
            vision_config=tower,
            image_token_id=IMAGE_TOKEN,
            video_token_id=VIDEO_TOKEN,
            image_start_token_id=START,
            image_end_token_id=END,
            video_start_token_id=_VIDEO_START,
            video_end_token_id=_VIDEO_END,
        )

    def build(self, config: Any, attention: str) -> torch.nn.Module:
        return self.model_class._from_config(config, attn_implementation=attention)

    def processor(self) -> Glm4vProcessor:
        pictures = Glm4vImageProcessorPil(
            patch_size=QWEN_PATCH,
            merge_size=2,
            temporal_patch_size=2,
            size={"shortest_edge": 64, "longest_edge": 1152},
        )
        special = {
            START: "<|begin_of_image|>",
            END: "<|end_of_image|>",
            VIDEO_TOKEN: "<|video|>",
            IMAGE_TOKEN: "<|image|>",
            _VIDEO_START: "<|begin_of_video|>",
            _VIDEO_END: "<|end_of_video|>",
        }
        return taking_frame_videos(Glm4vProcessor)(
            image_processor=pictures,
            video_processor=PairedFrameVideoProcessor(pictures),
            tokenizer=small_tokenizer(special),
            chat_template=chat_template("<|begin_of_image|><|image|><|end_of_image|>", ""),
        )


class Glm46VStandIn(Glm4vStandIn):
    key = "glm46v"
    config_class = Glm46VConfig
    model_class = Glm46VForConditionalGeneration
