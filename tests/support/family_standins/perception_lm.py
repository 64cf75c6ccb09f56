"""Perception LM's stand-in: tiles of 2 x 2 visual tokens after an overview; a wide picture has two."""

from __future__ import annotations

import torch
from transformers import PerceptionLMConfig, PerceptionLMForConditionalGeneration

from fastv.families.perception_lm_pictures import PerceptionLMPictures, perception_processor
from tests.support import timm_double
from tests.support.family_standins.base import (
    IMAGE_TOKEN,
    PICTURE,
    VIDEO,
    VIDEO_TOKEN,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
    text_config,
)

timm_double.install()

PATCH, TILE, TILE_TOKENS = 7, 28, 4
TILES = {PICTURE: 2, WIDE: 3, VIDEO: 3}
LIMITS = dict(size={"height": TILE, "width": TILE}, tile_size=TILE, max_num_tiles=2)


class PerceptionLMStandIn(StandIn):
    key = "perception_lm"
    visual_tokens = {part: TILE_TOKENS * tiles for part, tiles in TILES.items()}
    video_frames = TILES[VIDEO]
    hub_names = ()
    processor_settings = {"patch_size": PATCH, "pooling_ratio": 2}

    def config(self, **shape) -> PerceptionLMConfig:
        tower = dict(
            model_type="timm_wrapper",
            architecture="vit_pe_core_large_patch14_336",
            model_args=dict(
                embed_dim=16,
                depth=2,
                num_heads=2,
                patch_size=PATCH,
                img_size=[TILE, TILE],
                ref_feat_shape=[TILE // PATCH] * 2,
                global_pool="",
                use_post_transformer_norm=False,
                init_values=0.1,
            ),
            label_names=["a", "b"],
        )
        return PerceptionLMConfig(
            text_config=text_config(**shape, model_type="llama", tie_word_embeddings=False),
            vision_config=tower,
            image_token_id=IMAGE_TOKEN,
            video_token_id=VIDEO_TOKEN,
            projector_pooling_ratio=2,
        )

    def build(self, config: PerceptionLMConfig, attention: str) -> torch.nn.Module:
        return PerceptionLMForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Tiles of pictures of all sizes one below the other, as (tiles, 1, 3, height, width)."""
        made = {}
        if tiles := sum(TILES[part] for part in parts if part != VIDEO):
            made["pixel_values"] = torch.randn(tiles, 1, 3, TILE, TILE, generator=generator)
        if videos := parts.count(VIDEO):
            made["pixel_values_videos"] = torch.randn(videos, TILES[VIDEO], 3, TILE, TILE, generator=generator)
        return made

    def processor(self):
        tokenizer = small_tokenizer(
            {VIDEO_TOKEN: "<|video|>", IMAGE_TOKEN: "<|image|>"}, image_token="<|image|>", video_token="<|video|>"
        )
        settings = self.processor_settings | {"chat_template": chat_template("<|image|>", "<|video|>")}
        return perception_processor(PerceptionLMPictures(**LIMITS), tokenizer, settings)
