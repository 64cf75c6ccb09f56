"""Mistral 3's stand-in: pictures of any size, with a break token after each row."""

from __future__ import annotations

import torch
from transformers import Mistral3Config, Mistral3ForConditionalGeneration, PixtralImageProcessorPil

from fastv.families.pixtral_processor import PixtralProcessor
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

PATCH, MERGE = 4, 2
GRIDS = {PICTURE: (2, 3), WIDE: (3, 4)}  # rows and columns of visual tokens
_SIDE = PATCH * MERGE


class Mistral3StandIn(StandIn):
    key = "mistral3"
    visual_tokens = {part: rows * columns for part, (rows, columns) in GRIDS.items()}
    hub_names = ()
    processor_settings = {"patch_size": PATCH, "spatial_merge_size": MERGE}

    def config(self, **shape) -> Mistral3Config:
        tower = dict(
            model_type="pixtral",
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=PATCH,
        )
        return Mistral3Config(
            text_config=text_config(**shape, model_type="mistral", sliding_window=None),
            vision_config=tower,
            image_token_index=IMAGE_TOKEN,
            spatial_merge_size=MERGE,
            tie_word_embeddings=False,
        )

    def build(self, config: Mistral3Config, attention: str) -> torch.nn.Module:
        return Mistral3ForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Every picture padded to the size of WIDE."""
        height, width = (_SIDE * count for count in GRIDS[WIDE])
        made = []
        for part in parts:
            rows, columns = GRIDS[part]
            picture = torch.zeros(3, height, width)
            filled = torch.randn(3, rows * _SIDE, columns * _SIDE, generator=generator)
            picture[:, : rows * _SIDE, : columns * _SIDE] = filled
            made.append(picture)
        sizes = [[_SIDE * count for count in GRIDS[part]] for part in parts]
        return {"pixel_values": torch.stack(made), "image_sizes": torch.tensor(sizes)} if parts else {}

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return super()._tokens(part, generator)
        rows, columns = GRIDS[part]
        tokens = [token for _ in range(rows) for token in (*[IMAGE_TOKEN] * columns, START)]
        return torch.tensor([*tokens[:-1], END])

    def processor(self) -> PixtralProcessor:
        return PixtralProcessor(
            image_processor=PixtralImageProcessorPil(size={"longest_edge": 32}, patch_size=PATCH),
            tokenizer=small_tokenizer({START: "[IMG_BREAK]", END: "[IMG_END]", IMAGE_TOKEN: "[IMG]"}),
            **self.processor_settings,
            chat_template=chat_template("[IMG]", ""),
        )
