"""Ovis2's stand-in: tiles of 2 x 2 visual tokens; a wide picture is an overview and two of them, between marks."""

from __future__ import annotations

import torch
from transformers import Ovis2Config, Ovis2ForConditionalGeneration, Ovis2ImageProcessorPil, Ovis2Processor

from tests.support.family_standins.base import (
    IMAGE_TOKEN,
    PICTURE,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
    text_config,
)

PATCH, TILE, TILE_TOKENS = 7, 28, 4
TILES = {PICTURE: 1, WIDE: 3}
BEGIN, GRID, COLUMN, ROW, CLOSE = range(90, 95)


class Ovis2StandIn(StandIn):
    key = "ovis2"
    visual_tokens = {part: TILE_TOKENS * tiles for part, tiles in TILES.items()}
    hub_names = ()
    processor_settings = {"image_seq_length": TILE_TOKENS}

    def config(self, **shape) -> Ovis2Config:
        text = text_config(**shape, model_type="qwen2")
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=TILE,
            patch_size=PATCH,
            hidden_stride=2,
            vocab_size=40,
        )
        return Ovis2Config(
            text_config=text,
            vision_config=tower,
            image_token_id=IMAGE_TOKEN,
            visual_indicator_token_ids=[BEGIN, GRID, COLUMN, ROW, CLOSE],
            hidden_size=text["hidden_size"],
            vocab_size=text["vocab_size"],
            tie_word_embeddings=False,
        )

    def build(self, config: Ovis2Config, attention: str) -> torch.nn.Module:
        return Ovis2ForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        tiles = sum(TILES[part] for part in parts)
        return {"pixel_values": torch.randn(tiles, 3, TILE, TILE, generator=generator)} if parts else {}

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return torch.randint(3, BEGIN, (part,), generator=generator)
        tile = [IMAGE_TOKEN] * TILE_TOKENS
        finer = [*tile, COLUMN, *tile] if part == WIDE else []
        return torch.tensor([BEGIN, *tile, GRID, *finer, CLOSE])

    def processor(self) -> Ovis2Processor:
        marks = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
        special = dict(zip((BEGIN, GRID, COLUMN, ROW, CLOSE), marks)) | {97: "<image>", IMAGE_TOKEN: "<IMG_ATOM>"}
        return Ovis2Processor(
            image_processor=Ovis2ImageProcessorPil(
                size={"height": TILE, "width": TILE}, crop_to_patches=True, max_patches=2
            ),
            tokenizer=small_tokenizer(special),
            image_seq_length=TILE_TOKENS,
            chat_template=chat_template("<image>\n", ""),
        )
