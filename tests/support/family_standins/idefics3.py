"""The stand-ins of Idefics3 and SmolVLM: tiles of 2 x 2 visual tokens, each behind a token that tells its place."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from tests.support.family_standins.base import (
    END,
    IMAGE_TOKEN,
    PICTURE,
    START,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
)
from tests.support.family_standins.internvl import PATCH, TILE, TILE_TOKENS, text_config

TILES = {PICTURE: 1, WIDE: 3}
_FIRST_PLACE = 20  # token of the first tile's place


class Idefics3StandIn(StandIn):
    key = "idefics3"
    decoder_name = "text_model"
    visual_tokens = {part: TILE_TOKENS * tiles for part, tiles in TILES.items()}
    hub_names = ()
    processor_settings = {"image_seq_len": TILE_TOKENS}
    config_class: type = Idefics3Config
    model_class: type = Idefics3ForConditionalGeneration

    def config(self, **shape) -> Any:
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=TILE,
            patch_size=PATCH,
        )
        return self.config_class(
            text_config=text_config(**shape, model_type="llama"),
            vision_config=tower,
            scale_factor=2,
            image_token_id=IMAGE_TOKEN,
            pad_token_id=0,
        )

    def build(self, config: Any, attention: str) -> torch.nn.Module:
        return self.model_class._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        tiles = sum(TILES[part] for part in parts)
        return {"pixel_values": torch.randn(tiles, 3, TILE, TILE, generator=generator)} if parts else {}

    def inputs(self, rows: list[tuple], *, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict:
        """Each row has as many tiles as the one with most; the others are zero."""
        inputs = super().inputs(rows, seed=seed, dtype=dtype)
        counts = [sum(TILES[part] for part in row if isinstance(part, str)) for row in rows]
        if sum(counts):
            tiles = inputs["pixel_values"]
            filled = tiles.new_zeros(len(rows), max(counts), *tiles.shape[1:])
            for row, part in zip(filled, tiles.split(counts)):
                row[: len(part)] = part
            inputs["pixel_values"] = filled
        return inputs

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return super()._tokens(part, generator)
        tiles = ((START, _FIRST_PLACE + tile, *[IMAGE_TOKEN] * TILE_TOKENS) for tile in range(TILES[part]))
        return torch.tensor([*(token for tile in tiles for token in tile), START])

    def processor(self) -> Idefics3Processor:
        special = {
            START: "<fake_token_around_image>",
            END: "<end_of_utterance>",
            IMAGE_TOKEN: "<image>",
            _FIRST_PLACE: "<global-img>",
            _FIRST_PLACE + 1: "<row_1_col_1>",
            _FIRST_PLACE + 2: "<row_1_col_2>",
        }
        pictures = Idefics3ImageProcessorPil(size={"longest_edge": 2 * TILE}, max_image_size={"longest_edge": TILE})
        return Idefics3Processor(
            pictures, small_tokenizer(special), image_seq_len=TILE_TOKENS, chat_template=chat_template("<image>", "")
        )


class SmolVLMStandIn(Idefics3StandIn):
    key = "smolvlm"
    config_class = SmolVLMConfig
    model_class = SmolVLMForConditionalGeneration
