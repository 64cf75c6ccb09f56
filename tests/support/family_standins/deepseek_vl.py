"""DeepSeek-VL's stand-in: pictures of 4 x 4 visual tokens, and a tower with its pooling head."""

from __future__ import annotations

import torch
from transformers import DeepseekVLConfig, DeepseekVLForConditionalGeneration, DeepseekVLImageProcessorPil
from transformers.models.deepseek_vl.processing_deepseek_vl import DeepseekVLProcessor

from tests.support.family_standins.base import (
    IMAGE_TOKEN,
    PICTURE,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
    text_config,
)

PATCH, SIDE, TOKENS = 14, 56, 16


class DeepseekVLStandIn(StandIn):
    key = "deepseek_vl"
    visual_tokens = {PICTURE: TOKENS, WIDE: TOKENS}
    hub_names = ()
    processor_settings = {"num_image_tokens": TOKENS}

    def config(self, **shape) -> DeepseekVLConfig:
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=PATCH,
            model_type="siglip_vision_model",
        )
        return DeepseekVLConfig(
            text_config=text_config(**shape, model_type="llama"),
            vision_config=tower,
            image_token_id=IMAGE_TOKEN,
            tie_word_embeddings=False,
        )

    def build(self, config: DeepseekVLConfig, attention: str) -> torch.nn.Module:
        return DeepseekVLForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"pixel_values": torch.randn(len(parts), 3, SIDE, SIDE, generator=generator)} if parts else {}

    def processor(self) -> DeepseekVLProcessor:
        return DeepseekVLProcessor(
            image_processor=DeepseekVLImageProcessorPil(size={"height": SIDE, "width": SIDE}),
            tokenizer=small_tokenizer({IMAGE_TOKEN: "<image>"}, image_token="<image>"),
            num_image_tokens=TOKENS,
            chat_template=chat_template("<image>", ""),
        )
