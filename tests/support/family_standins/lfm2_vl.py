"""LFM2-VL's stand-in: layers 1 and 2 are short convolutions; a wide picture is two tiles of 2 x 2 visual tokens and an
overview of 1 x 2, filled up to 4.
"""

from __future__ import annotations

import torch
from transformers import Lfm2VlConfig, Lfm2VlForConditionalGeneration, Lfm2VlProcessor

from fastv.families.lfm2_vl_pictures import Lfm2VlPictures
from tests.support.family_standins.base import IMAGE_TOKEN, PICTURE, WIDE, StandIn, chat_template, small_tokenizer
from tests.support.family_standins.internvl import text_config

PATCH, MERGE, TILE = 7, 2, 28
PIECES = {PICTURE: [(4, 4)], WIDE: [(4, 4), (4, 4), (2, 4)]}  # rows and columns of patches
BEGIN, FINISH, OVERVIEW, FIRST, SECOND = range(90, 95)
LIMITS = dict(
    encoder_patch_size=PATCH,
    tile_size=TILE,
    min_image_tokens=2,
    max_image_tokens=4,
    max_tiles=2,
    max_pixels_tolerance=1.5,
)


class Lfm2VLStandIn(StandIn):
    key = "lfm2_vl"
    visual_tokens = {part: sum(rows * columns // 4 for rows, columns in pieces) for part, pieces in PIECES.items()}
    hub_names = ()

    def config(self, **shape) -> Lfm2VlConfig:
        text = text_config(**shape, model_type="lfm2")
        text |= dict(
            layer_types=["full_attention", "conv", "conv", "full_attention"],
            block_multiple_of=8,
            tie_word_embeddings=False,
        )
        tower = dict(
            model_type="siglip2_vision_model",
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            patch_size=PATCH,
            num_patches=9,
            vision_use_head=False,
        )
        return Lfm2VlConfig(
            text_config=text,
            vision_config=tower,
            image_token_id=IMAGE_TOKEN,
            projector_hidden_size=24,
            tie_word_embeddings=False,
            **LIMITS,
        )

    def build(self, config: Lfm2VlConfig, attention: str) -> torch.nn.Module:
        return Lfm2VlForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        shapes = torch.tensor([shape for part in parts for shape in PIECES[part]])
        if not parts:
            return {}
        mask = torch.arange(16) < shapes.prod(1, keepdim=True)
        patches = torch.randn(len(shapes), 16, 3 * PATCH**2, generator=generator) * mask[..., None]
        return {"pixel_values": patches, "pixel_attention_mask": mask.int(), "spatial_shapes": shapes}

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return torch.randint(3, BEGIN, (part,), generator=generator)
        marks = [FIRST, SECOND, OVERVIEW] if part == WIDE else []
        pieces = [[IMAGE_TOKEN] * (rows * columns // 4) for rows, columns in PIECES[part]]
        marked = [token for mark, piece in zip(marks, pieces) for token in (mark, *piece)] if marks else pieces[0]
        return torch.tensor([BEGIN, *marked, FINISH])

    def processor(self) -> Lfm2VlProcessor:
        marks = ("<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", "<|img_row_1_col_1|>", "<|img_row_1_col_2|>")
        special = dict(zip((BEGIN, FINISH, OVERVIEW, FIRST, SECOND), marks)) | {IMAGE_TOKEN: "<image>"}
        return Lfm2VlProcessor(
            image_processor=Lfm2VlPictures(**LIMITS),
            tokenizer=small_tokenizer(special),
            chat_template=chat_template("<image>", ""),
        )
