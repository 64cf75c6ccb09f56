"""Gemma 3's stand-in: pictures of one size between two marks; every second layer sees less than a prompt."""

from __future__ import annotations

import torch
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ImageProcessorPil, Gemma3Processor

from tests.support.family_standins.base import (
    END,
    IMAGE_TOKEN,
    PICTURE,
    START,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
    text_config,
)

PATCH, SIDE, TOKENS, WINDOW = 7, 28, 4, 8


class Gemma3StandIn(StandIn):
    key = "gemma3"
    visual_tokens = {PICTURE: TOKENS, WIDE: TOKENS}
    marked = True
    hub_names = ()
    processor_settings = {"image_seq_length": TOKENS}

    def config(self, **shape) -> Gemma3Config:
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=PATCH,
            vision_use_head=False,
            model_type="siglip_vision_model",
        )
        text = text_config(**shape, sliding_window=WINDOW, sliding_window_pattern=2)
        return Gemma3Config(
            text_config=text,
            vision_config=tower,
            image_token_index=IMAGE_TOKEN,
            boi_token_index=START,
            eoi_token_index=END,
            mm_tokens_per_image=TOKENS,
        )

    def build(self, config: Gemma3Config, attention: str) -> torch.nn.Module:
        return Gemma3ForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"pixel_values": torch.randn(len(parts), 3, SIDE, SIDE, generator=generator)} if parts else {}

    def inputs(self, rows: list[tuple], **options) -> dict:
        inputs = super().inputs(rows, **options)
        return inputs | {"token_type_ids": inputs.pop("mm_token_type_ids")}

    def processor(self) -> Gemma3Processor:
        special = {START: "<start_of_image>", END: "<end_of_image>", IMAGE_TOKEN: "<image_soft_token>"}
        tokenizer = small_tokenizer(
            special, boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
        )
        return Gemma3Processor(
            image_processor=Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE}),
            tokenizer=tokenizer,
            image_seq_length=TOKENS,
            chat_template=chat_template("<start_of_image>", ""),
        )
