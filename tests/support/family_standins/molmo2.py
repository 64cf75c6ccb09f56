"""Molmo2's stand-in: an overview of 5 x 5 visual tokens and tiles that overlap as the real ones do; marks end each row,
and see the pictures both ways.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Molmo2Config, Molmo2ForConditionalGeneration, Molmo2Processor

from fastv.families.molmo2_pictures import Molmo2Pictures, Molmo2Videos
from fastv.families.processors import taking_frame_videos
from tests.support.family_standins.base import (
    IMAGE_TOKEN,
    PICTURE,
    VIDEO,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
)
from tests.support.family_standins.internvl import text_config

PATCH, SIDE = 2, 10  # pixels of a patch's side, patches of a tile's
SIZES = {PICTURE: (20, 20), WIDE: (20, 28), VIDEO: (16, 12)}  # height and width; wide ones are three tiles
FRAMES, FRAME_TOKENS = 3, 16  # of a video, in which 4 x 4 squares of 3 x 3 patches reach beyond the frame's edge
COLUMNS = {PICTURE: 5, WIDE: 7}  # of five rows of visual tokens
COLUMN, BEGIN, BEGIN_OVERVIEW, FINISH, BEGIN_FRAME, FINISH_FRAME = range(86, 92)
WORDS = {
    COLUMN: "<im_col>",
    BEGIN: "<im_start>",
    BEGIN_OVERVIEW: "<low_res_im_start>",
    FINISH: "<im_end>",
    BEGIN_FRAME: "<frame_start>",
    FINISH_FRAME: "<frame_end>",
    92: "<im_low>",
    93: "<|image|>",
    94: "<|video|>",
    IMAGE_TOKEN: "<im_patch>",
}
LIMITS = dict(size={"height": PATCH * SIDE, "width": PATCH * SIDE}, patch_size=PATCH)


class Molmo2StandIn(StandIn):
    key = "molmo2"
    visual_tokens = {part: 25 + 5 * columns for part, columns in COLUMNS.items()} | {VIDEO: FRAMES * FRAME_TOKENS}
    video_frames = FRAMES
    mixes = False
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
        if VIDEO in parts:
            shape = (FRAMES, *SIZES[VIDEO], 3)
            videos = [torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).numpy() for _ in parts]
            return dict(Molmo2Videos(Molmo2Pictures(**LIMITS)).preprocess(videos))
        images = [torch.randint(0, 256, (3, *SIZES[part]), generator=generator, dtype=torch.uint8) for part in parts]
        return dict(Molmo2Pictures(**LIMITS)([image.numpy() for image in images], return_tensors="pt"))

    def inputs(self, rows: list[tuple], **options: Any) -> dict:
        """Patches are numbered through all pictures of all rows."""
        inputs = super().inputs(rows, **options)
        marks = (inputs["input_ids"] >= COLUMN) & (inputs["input_ids"] <= FINISH_FRAME)
        inputs["mm_token_type_ids"] = (marks | (inputs["input_ids"] == IMAGE_TOKEN)).int()
        parts = [[part for part in row if isinstance(part, str)] for row in rows]
        for name, tiles in (("image_token_pooling", inputs.get("image_num_crops")), ("video_token_pooling", None)):
            if name in inputs:
                seen = [row for row in parts if row]
                each = tiles.tolist() if tiles is not None else [FRAMES] * sum(map(len, seen))
                inputs[name] = self._moved(inputs[name], seen, each)
        return inputs

    def _moved(self, pooling: torch.Tensor, rows: list[list[str]], tiles: list[int]) -> torch.Tensor:
        """The numbers of patches of each row behind those of the rows before; tiles: of each picture or video."""
        moved, before = [], 0
        own = pooling.split([sum(self.visual_tokens[part] for part in row) for row in rows])
        for numbers, row in zip(own, rows):
            moved.append(torch.where(numbers >= 0, numbers + before, numbers))
            before += SIDE**2 * sum(tiles[: len(row)])
            tiles = tiles[len(row) :]
        return torch.cat(moved)

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return torch.randint(3, COLUMN, (part,), generator=generator)
        if part == VIDEO:
            frame = [BEGIN_FRAME, *[IMAGE_TOKEN] * FRAME_TOKENS, FINISH_FRAME]
            return torch.tensor([token for number in range(FRAMES) for token in (20 + number, *frame)])
        overview = [BEGIN_OVERVIEW, *[*[IMAGE_TOKEN] * 5, COLUMN] * 5, FINISH]
        return torch.tensor([*overview, BEGIN, *[*[IMAGE_TOKEN] * COLUMNS[part], COLUMN] * 5, FINISH])

    def processor(self) -> Any:
        pictures = Molmo2Pictures(**LIMITS)
        return taking_frame_videos(Molmo2Processor)(
            image_processor=pictures,
            video_processor=Molmo2Videos(pictures),
            tokenizer=small_tokenizer(WORDS),
            chat_template=chat_template("<|image|>", "<|video|>"),
        )
