"""Molmo2's stand-in: an overview of 5 x 5 visual tokens and tiles that overlap as the real ones do; marks end each row,
and see the pictures both ways.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Molmo2Config, Molmo2ForConditionalGeneration, Molmo2Processor

from fastv.families.molmo2_pictures import Molmo2Pictures
from fastv.families.processors import taking_frame_videos
from fastv.families.videos import FrameVideoProcessor
from tests.support.family_standins.base import IMAGE_TOKEN, PICTURE, WIDE, StandIn, chat_template, small_tokenizer
from tests.support.family_standins.internvl import text_config

PATCH, SIDE = 2, 10  # pixels of a patch's side, patches of a tile's
SIZES = {PICTURE: (20, 20), WIDE: (20, 28)}  # height and width; wide ones are three tiles
COLUMNS = {PICTURE: 5, WIDE: 7}  # of five rows of visual tokens
COLUMN, BEGIN, BEGIN_OVERVIEW, FINISH = 86, 87, 88, 89
WORDS = {
    COLUMN: "<im_col>",
    BEGIN: "<im_start>",
    BEGIN_OVERVIEW: "<low_res_im_start>",
    FINISH: "<im_end>",
    90: "<frame_start>",
    91: "<frame_end>",
    92: "<im_low>",
    93: "<|image|>",
    94: "<|video|>",
    IMAGE_TOKEN: "<im_patch>",
}
LIMITS = dict(size={"height": PATCH * SIDE, "width": PATCH * SIDE}, patch_size=PATCH)


class Molmo2StandIn(StandIn):
    key = "molmo2"
    visual_tokens = {part: 25 + 5 * columns for part, columns in COLUMNS.items()}
    hub_names = ()

    def config(self, **shape) -> Molmo2Config:
        text = text_config(**shape) | dict(additional_vocab_size=3)
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            image_size=[PATCH * SIDE] * 2,
            patch_size=PATCH,
        )
        adapter = dict(
            vision_feature_layer=[2, 0],
            hidden_size=16,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            intermediate_size=24,
            text_hidden_size=text["hidden_size"],
        )
        return Molmo2Config(text_config=text, vision_config=tower, adapter_config=adapter, image_patch_id=IMAGE_TOKEN)

    def build(self, config: Molmo2Config, attention: str) -> torch.nn.Module:
        return Molmo2ForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        if not parts:
            return {}
        images = [torch.randint(0, 256, (3, *SIZES[part]), generator=generator, dtype=torch.uint8) for part in parts]
        return dict(Molmo2Pictures(**LIMITS)([image.numpy() for image in images], return_tensors="pt"))

    def inputs(self, rows: list[tuple], **options: Any) -> dict:
        """Patches are numbered through all pictures of all rows."""
        inputs = super().inputs(rows, **options)
        marks = (inputs["input_ids"] >= COLUMN) & (inputs["input_ids"] <= FINISH)
        inputs["mm_token_type_ids"] = (marks | (inputs["input_ids"] == IMAGE_TOKEN)).int()
        if "image_grids" in inputs:
            pictures = [count for row in rows if (count := sum(isinstance(part, str) for part in row))]
            tokens = [self.visual_tokens[part] for row in rows for part in row if isinstance(part, str)]
            each = torch.tensor(tokens).split(pictures)
            patches = [int(crops.sum()) * SIDE**2 for crops in inputs["image_num_crops"].split(pictures)]
            own = inputs["image_token_pooling"].split([int(counts.sum()) for counts in each])
            starts = [sum(patches[:row]) for row in range(len(patches))]
            moved = [torch.where(part >= 0, part + start, part) for part, start in zip(own, starts)]
            inputs["image_token_pooling"] = torch.cat(moved)
        return inputs

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return torch.randint(3, COLUMN, (part,), generator=generator)
        overview = [BEGIN_OVERVIEW, *[*[IMAGE_TOKEN] * 5, COLUMN] * 5, FINISH]
        return torch.tensor([*overview, BEGIN, *[*[IMAGE_TOKEN] * COLUMNS[part], COLUMN] * 5, FINISH])

    def processor(self) -> Any:
        pictures = Molmo2Pictures(**LIMITS)
        return taking_frame_videos(Molmo2Processor)(
            image_processor=pictures,
            video_processor=FrameVideoProcessor(pictures),
            tokenizer=small_tokenizer(WORDS),
            chat_template=chat_template("<|image|>", ""),
        )
