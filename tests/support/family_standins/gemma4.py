"""Gemma 4's stand-in: pictures as rows of patches, inputs of each layer's own, and last layers that share keys."""

from __future__ import annotations

import torch
from transformers import (
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    Gemma4Processor,
)

from fastv.families.processors import taking_frame_videos
from fastv.families.videos import FrameVideoProcessor
from tests.support.family_standins.base import (
    END,
    IMAGE_TOKEN,
    PICTURE,
    START,
    VIDEO_TOKEN,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
    text_config,
)

PATCH, POOLED, WINDOW = 4, 3, 12
GRIDS = {PICTURE: (2, 3), WIDE: (3, 4)}  # rows and columns of visual tokens
_AUDIO = 92  # token of a sound, and of its beginning and end


class Gemma4StandIn(StandIn):
    key = "gemma4"
    visual_tokens = {part: rows * columns for part, (rows, columns) in GRIDS.items()}
    marked = True
    hub_names = ()

    def config(self, **shape) -> Gemma4Config:
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            patch_size=PATCH,
            position_embedding_size=64,
            default_output_length=GRIDS[WIDE][0] * GRIDS[WIDE][1],
        )
        text = text_config(
            **{"layers": 8, **shape},
            global_head_dim=16,
            sliding_window=WINDOW,
            layer_types=["sliding_attention", "full_attention"] * 4,
            vocab_size_per_layer_input=99,
            hidden_size_per_layer_input=8,
            num_kv_shared_layers=2,
            use_double_wide_mlp=True,
        )
        return Gemma4Config(
            text_config=text,
            vision_config=tower,
            audio_config=dict(
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                subsampling_conv_channels=[4, 2],
                output_proj_dims=16,
            ),
            image_token_id=IMAGE_TOKEN,
            video_token_id=VIDEO_TOKEN,
            audio_token_id=_AUDIO,
            boi_token_id=START,
            eoi_token_id=END,
        )

    def build(self, config: Gemma4Config, attention: str) -> torch.nn.Module:
        kernels = {"": attention, "text_config": attention, "vision_config": attention, "audio_config": "eager"}
        return Gemma4ForConditionalGeneration._from_config(config, attn_implementation=kernels)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Every picture has as many patches as WIDE, the last of them padding."""
        most = GRIDS[WIDE][0] * GRIDS[WIDE][1] * POOLED**2
        pixels, places = [], []
        for part in parts:
            rows, columns = (POOLED * count for count in GRIDS[part])
            patches = torch.rand(rows * columns, 3 * PATCH**2, generator=generator)
            place = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).flip(1)
            missing = (0, 0, 0, most - rows * columns)
            pixels.append(torch.nn.functional.pad(patches, missing))
            places.append(torch.nn.functional.pad(place, missing, value=-1))
        return {"pixel_values": torch.stack(pixels), "image_position_ids": torch.stack(places)} if parts else {}

    def processor(self) -> Gemma4Processor:
        named = {"boi": "<|image>", "eoi": "<image|>", "image": "<|image|>", "boa": "<|audio>", "eoa": "<audio|>"}
        special = {START: named["boi"], END: named["eoi"], IMAGE_TOKEN: named["image"], VIDEO_TOKEN: "<|video|>"}
        special |= {_AUDIO: "<|audio|>", _AUDIO + 1: named["boa"], _AUDIO + 2: named["eoa"]}
        tokens = {f"{name}_token": word for name, word in named.items()} | {"audio_token": "<|audio|>"}
        pictures = Gemma4ImageProcessorPil(patch_size=PATCH, max_soft_tokens=70)
        return taking_frame_videos(Gemma4Processor)(
            feature_extractor=Gemma4AudioFeatureExtractor(),
            image_processor=pictures,
            video_processor=FrameVideoProcessor(pictures),
            tokenizer=small_tokenizer(special, **tokens),
            chat_template=chat_template("<|image|>", ""),
        )
