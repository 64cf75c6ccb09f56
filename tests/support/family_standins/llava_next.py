"""The stand-ins of LLaVA-NeXT and LLaVA-OneVision: an overview of 2 x 2 visual tokens and a finer grid."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    LlavaOnevisionProcessor,
)

from fastv.families.processors import taking_frame_videos
from fastv.families.videos import FrameVideoProcessor
from tests.support.family_standins.base import (
    IMAGE_TOKEN,
    PICTURE,
    VIDEO_TOKEN,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
    text_config,
)

PATCH, SIDE = 14, 2
TILE = PATCH * SIDE
PINPOINTS = [[TILE, 2 * TILE], [2 * TILE, TILE]]
SIZES = {PICTURE: (2 * TILE, TILE), WIDE: (TILE, 2 * TILE)}  # height and width; both fill their tiles


class LlavaNextStandIn(StandIn):
    key = "llava_next"
    visual_tokens = {PICTURE: 4 + 4 * (2 + 1), WIDE: 4 + 2 * (4 + 1)}
    hub_names = ()
    newlines = True
    text_type = "llama"
    tower: dict[str, Any] = {"model_type": "clip_vision_model", "projection_dim": 16}
    config_class: type = LlavaNextConfig
    model_class: type = LlavaNextForConditionalGeneration
    processor_settings = {
        "patch_size": PATCH,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
    }

    def config(self, **shape) -> Any:
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=TILE,
            patch_size=PATCH,
            **self.tower,
        )
        return self.config_class(
            text_config=text_config(**shape, model_type=self.text_type),
            vision_config=tower,
            image_token_index=IMAGE_TOKEN,
            image_grid_pinpoints=PINPOINTS,
            **self.more(),
        )

    def more(self) -> dict[str, Any]:
        return {}

    def build(self, config: Any, attention: str) -> torch.nn.Module:
        return self.model_class._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        if not parts:
            return {}
        tiles = torch.randn(len(parts), 3, 3, TILE, TILE, generator=generator)
        return {"pixel_values": tiles, "image_sizes": torch.tensor([SIZES[part] for part in parts])}

    def processor(self) -> Any:
        pictures = LlavaNextImageProcessorPil(
            size={"shortest_edge": TILE},
            crop_size={"height": TILE, "width": TILE},
            image_grid_pinpoints=PINPOINTS,
        )
        return LlavaNextProcessor(
            pictures,
            small_tokenizer({IMAGE_TOKEN: "<image>"}),
            chat_template=chat_template("<image>\n", ""),
            **self.processor_settings,
        )


class LlavaOnevisionStandIn(LlavaNextStandIn):
    key = "llava_onevision"
    alike_beside_others = False
    text_type = "qwen2"
    tower = {"model_type": "siglip_vision_model", "vision_use_head": False}
    config_class = LlavaOnevisionConfig
    model_class = LlavaOnevisionForConditionalGeneration
    processor_settings = {"num_image_tokens": SIDE**2, "vision_feature_select_strategy": "full"}

    def more(self) -> dict[str, Any]:
        return {"video_token_index": VIDEO_TOKEN, "vision_feature_layer": -1, "vision_feature_select_strategy": "full"}

    def inputs(self, rows: list[tuple], *, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict:
        """Pictures of rows with several are overviews and a newline."""
        inputs = super().inputs(rows, seed=seed, dtype=dtype)
        counts = [sum(isinstance(part, str) for part in row) for row in rows]
        return inputs | {"batch_num_images": torch.tensor([count for count in counts if count])}

    def _row(self, row: tuple, generator: torch.Generator) -> list[torch.Tensor]:
        several = sum(isinstance(part, str) for part in row) > 1
        return [
            torch.full((SIDE**2 + 1,), IMAGE_TOKEN)
            if several and isinstance(part, str)
            else self._tokens(part, generator)
            for part in row
        ]

    def processor(self) -> Any:
        pictures = LlavaOnevisionImageProcessorPil(size={"height": TILE, "width": TILE}, image_grid_pinpoints=PINPOINTS)
        return taking_frame_videos(LlavaOnevisionProcessor)(
            image_processor=pictures,
            video_processor=FrameVideoProcessor(pictures),
            tokenizer=small_tokenizer({VIDEO_TOKEN: "<video>", IMAGE_TOKEN: "<image>"}),
            chat_template=chat_template("<image>\n", "<video>\n"),
            **self.processor_settings,
        )
