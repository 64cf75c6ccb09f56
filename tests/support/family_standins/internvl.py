"""InternVL's stand-in: tiles of 2 x 2 visual tokens; a wide picture is two of them and an overview."""

from __future__ import annotations

import torch
from transformers import (
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
)

from fastv.families.processors import taking_frame_videos
from fastv.families.videos import FrameVideoProcessor
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

PATCH, TILE, TILE_TOKENS = 7, 28, 4
TILES = {PICTURE: 1, WIDE: 3, VIDEO: 3}


class InternVLStandIn(StandIn):
    key = "internvl"
    visual_tokens = {part: TILE_TOKENS * tiles for part, tiles in TILES.items()}
    video_frames = TILES[VIDEO]
    hub_names = ()
    processor_settings = {"image_seq_length": TILE_TOKENS}

    def config(self, **shape) -> InternVLConfig:
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            attention_bias=True,
            image_size=[TILE, TILE],
            patch_size=[PATCH, PATCH],
        )
        return InternVLConfig(
            text_config=text_config(**shape, model_type="qwen3"),
            vision_config=tower,
            image_token_id=IMAGE_TOKEN,
            image_seq_length=TILE_TOKENS,
            tie_word_embeddings=False,
        )

    def build(self, config: InternVLConfig, attention: str) -> torch.nn.Module:
        return InternVLForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        tiles = sum(TILES[part] for part in parts)
        return {"pixel_values": torch.randn(tiles, 3, TILE, TILE, generator=generator)} if parts else {}

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return super()._tokens(part, generator)
        if part == VIDEO:
            frames = ((20 + frame, START, *[IMAGE_TOKEN] * TILE_TOKENS, END) for frame in range(TILES[VIDEO]))
            return torch.tensor([token for frame in frames for token in frame])
        return torch.tensor([START, *[IMAGE_TOKEN] * self.visual_tokens[part], END])

    def processor(self) -> InternVLProcessor:
        special = {START: "<img>", END: "</img>", VIDEO_TOKEN: "<video>", IMAGE_TOKEN: "<IMG_CONTEXT>"}
        pictures = GotOcr2ImageProcessorPil(size={"height": TILE, "width": TILE}, max_patches=2)
        tokenizer = small_tokenizer(
            special,
            start_image_token="<img>",
            end_image_token="</img>",
            context_image_token="<IMG_CONTEXT>",
            video_token="<video>",
        )
        return taking_frame_videos(InternVLProcessor)(
            image_processor=pictures,
            video_processor=FrameVideoProcessor(pictures),
            tokenizer=tokenizer,
            image_seq_length=TILE_TOKENS,
            chat_template=chat_template("<IMG_CONTEXT>\n", "<video>\n"),
        )
