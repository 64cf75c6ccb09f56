"""Granite 4 Vision's stand-in: LLaVA-NeXT's pictures, and features that enter the decoder before each of its layers."""

from __future__ import annotations

from typing import Any

from transformers import (
    Granite4VisionConfig,
    Granite4VisionForConditionalGeneration,
    Granite4VisionProcessor,
    LlavaNextImageProcessorPil,
)

from tests.support.family_standins.base import IMAGE_TOKEN, chat_template, small_tokenizer
from tests.support.family_standins.internvl import text_config
from tests.support.family_standins.llava_next import PATCH, PINPOINTS, TILE, LlavaNextStandIn

HALF = PATCH // 2  # pixels of a patch, of which 2 x 2 become a visual token


class Granite4VisionStandIn(LlavaNextStandIn):
    key = "granite4_vision"
    processor_settings = {
        "patch_size": HALF,
        "vision_feature_select_strategy": "full",
        "num_additional_image_tokens": 0,
        "downsample_rate": "1/2",
    }

    def config(self, **shape) -> Granite4VisionConfig:
        tower = dict(
            model_type="siglip_vision_model",
            hidden_size=64,  # which is one head of the Q-Formers
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=TILE,
            patch_size=HALF,
        )
        return Granite4VisionConfig(
            text_config=text_config(**shape),
            vision_config=tower,
            qformer_config=dict(num_hidden_layers=1, intermediate_size=24, cross_attention_frequency=1),
            image_token_index=IMAGE_TOKEN,
            image_grid_pinpoints=PINPOINTS,
            vision_feature_select_strategy="full",
            downsample_rate="1/2",
            deepstack_layer_map=[[-1, 2], [-2, 0]],
            spatial_target_layers=[1, 3, 5, 7],  # the last two are never reached
        )

    def build(self, config: Any, attention: str) -> Any:
        return Granite4VisionForConditionalGeneration._from_config(config, attn_implementation=attention)

    def processor(self) -> Granite4VisionProcessor:
        pictures = LlavaNextImageProcessorPil(
            size={"shortest_edge": TILE},
            crop_size={"height": TILE, "width": TILE},
            image_grid_pinpoints=PINPOINTS,
        )
        return Granite4VisionProcessor(
            pictures,
            small_tokenizer({IMAGE_TOKEN: "<image>"}),
            chat_template=chat_template("<image>\n", ""),
            **self.processor_settings,
        )
