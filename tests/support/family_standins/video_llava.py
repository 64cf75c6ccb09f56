"""Video-LLaVA's stand-in."""

from __future__ import annotations

import torch
from transformers import (
    VideoLlavaConfig,
    VideoLlavaForConditionalGeneration,
    VideoLlavaImageProcessor,
    VideoLlavaProcessor,
)

from fastv.families.processors import taking_frame_videos
from fastv.families.videos import FrameVideoProcessor
from tests.support.family_standins.base import (
    IMAGE_TOKEN,
    PICTURE,
    VIDEO,
    VIDEO_TOKEN,
    WIDE,
    StandIn,
    chat_template,
    small_tokenizer,
)
from tests.support.family_standins.llava import LLAVA_HUB_NAMES, PATCH, SIDE, VISUAL_TOKENS, llava_config

FRAMES = 3  # of a clip


def video_llava_config(*, side: int = SIDE, frames: int = FRAMES, **shape) -> VideoLlavaConfig:
    base = llava_config(side=side, **shape)
    return VideoLlavaConfig(
        vision_config=base.vision_config,
        text_config=base.text_config,
        image_token_index=IMAGE_TOKEN,
        video_token_index=VIDEO_TOKEN,
        image_seq_length=side * side,
        video_seq_length=frames * (side * side + 1),
    )


class VideoLlavaStandIn(StandIn):
    key = "video_llava"
    visual_tokens = {PICTURE: VISUAL_TOKENS, WIDE: VISUAL_TOKENS, VIDEO: FRAMES * (VISUAL_TOKENS + 1)}
    video_frames = FRAMES
    towers = ("model.image_tower", "model.video_tower")
    projector = "model.multi_modal_projector"
    hub_names = LLAVA_HUB_NAMES

    def config(self, **shape) -> VideoLlavaConfig:
        return video_llava_config(**shape)

    def build(self, config: VideoLlavaConfig, attention: str) -> VideoLlavaForConditionalGeneration:
        return VideoLlavaForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        clips, side, made = parts.count(VIDEO), PATCH * SIDE, {}
        if clips < len(parts):  # the processor's name for pictures
            made["pixel_values_images"] = torch.randn(len(parts) - clips, 3, side, side, generator=generator)
        if clips:
            made["pixel_values_videos"] = torch.randn(clips, FRAMES, 3, side, side, generator=generator)
        return made

    def processor(self) -> VideoLlavaProcessor:
        side = PATCH * SIDE
        pictures = VideoLlavaImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        return taking_frame_videos(VideoLlavaProcessor)(
            image_processor=pictures,
            video_processor=FrameVideoProcessor(pictures),
            tokenizer=small_tokenizer({VIDEO_TOKEN: "<video>", IMAGE_TOKEN: "<image>"}),
            chat_template=chat_template("<image>\n", "<video>\n"),
            patch_size=PATCH,
            vision_feature_select_strategy="default",
        )
