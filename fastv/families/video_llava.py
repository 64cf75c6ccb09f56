"""Video-LLaVA: LLaVA-1.5 with a second tower of its own for the frames of videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.base import Family, Processor, base_of
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.llava import (
    VICUNA_7B,
    VICUNA_PROMPT,
    fit_processor,
    leading_tokens,
    patch_frames,
    picture_group,
    picture_size_problem,
    read_parts,
    read_projector,
    vicuna_prompt,
)
from fastv.families.reduced_pictures import Sizes, square_pictures_reduced
from fastv.families.shapes import ModelShape
from fastv.families.tower_layers import TowerLayer, TowerSequences, encoder_layer, patches_after
from fastv.families.vision_towers import CLIP_LARGE_224, class_tokens
from fastv.families.visual_groups import VisualGroup, in_prompt_order

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig


class VideoLlava(Family):
    name = "Video-LLaVA"
    model_types = ("video_llava",)
    unquantized = ("model.image_tower", "model.video_tower", "model.multi_modal_projector", "lm_head")
    videos = True
    entries = (
        ModelEntry(
            "video-llava-7b",
            "Video-LLaVA 7B",
            "LanguageBind/Video-LLaVA-7B-hf",
            "The paper's model for videos; it takes images too.",
            revision="4cf9d8cfc76a54f46a4cb43be5368b46b7f0d736",
            prompt=VICUNA_PROMPT,
            visual_tokens=2_056,
            paper_visual_tokens=2_048,  # 8 frames of 256, without their class tokens
            visual_span="256 tokens for an image, in place of <image>; 2,056 for the 8 frames of a video, in place of "
            "<video>",
            config={"model_type": "video_llava", "text_config": VICUNA_7B, "vision_config": CLIP_LARGE_224},
        ),
    )

    def prompt(self, processor: Processor, question: str, kind: str = "image", count: int = 1) -> str:
        return vicuna_prompt(self, processor, question, kind, count)

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        """Pictures are (pictures, 3, height, width), videos (videos, frames, 3, height, width).

        Only in videos does the tower's class token stay, before each frame's patches.
        """
        videos = inputs["pixel_values_videos"].flatten(0, 1) if "pixel_values_videos" in inputs else ()
        pictures = _pictures(inputs)
        return patch_frames(config, () if pictures is None else pictures, leading_tokens(config)) + patch_frames(
            config, videos, class_tokens(config.vision_config.model_type) or 0
        )

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        config: Any = model.config
        pictures, videos = _pictures(inputs), inputs.get("pixel_values_videos")
        picture = picture_group(config, pictures, leading_tokens(config))
        if picture is None or (pictures is None and videos is None):
            return None
        lead, frames = class_tokens(config.vision_config.model_type) or 0, 0 if videos is None else videos.shape[1]
        return in_prompt_order(
            input_ids,
            {
                config.image_token_id: [] if pictures is None else [picture] * len(pictures),
                config.video_token_id: []
                if videos is None
                else [replace(picture, frames=frames, lead=lead)] * len(videos),
            },
        )

    @contextmanager
    def reduced_pictures(self, model: nn.Module, sizes: Sizes) -> Iterator[None]:
        base: Any = base_of(model)
        config: Any = model.config

        def picture(pixels: Tensor) -> VisualGroup | None:
            return picture_group(config, pixels, leading_tokens(config))

        def video(pixels: Tensor) -> VisualGroup | None:
            group = picture_group(config, pixels, class_tokens(config.vision_config.model_type) or 0)
            return None if group is None else replace(group, frames=pixels.shape[1])

        pictures, videos = ("pixel_values", "pixel_values_images"), ("pixel_values_videos",)
        with (
            square_pictures_reduced(
                base, "get_image_features", pictures, base.image_tower, config.image_token_id, picture, sizes
            ),
            square_pictures_reduced(
                base, "get_video_features", videos, base.video_tower, config.video_token_id, video, sizes
            ),
        ):
            yield

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        towers = {config.image_token_id: base.image_tower, config.video_token_id: base.video_tower}
        layers = {token: encoder_layer(tower, config.vision_feature_layer) for token, tower in towers.items()}
        dropped = {config.image_token_id: 1 if config.vision_feature_select_strategy == "default" else 0}

        def sequences(token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            pixels = inputs.get("pixel_values_videos") if token == config.video_token_id else _pictures(inputs)
            if pixels is None:
                return None
            return TowerSequences(None, patches_after(dropped.get(token, 0)))

        attentions = {token: layer.self_attn for token, layer in layers.items()}
        return TowerLayer(attentions, bool(class_tokens(config.vision_config.model_type)), sequences)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import VideoLlavaProcessor

        from fastv.families.processors import read_with_videos, with_channels_last
        from fastv.families.videos import FrameVideoProcessor

        processor = read_with_videos(source, VideoLlavaProcessor, FrameVideoProcessor, with_channels_last)
        return fit_processor(processor, config)

    def input_problem(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> str | None:
        return super().input_problem(config, inputs) or picture_size_problem(config, _pictures(inputs))

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        decoder, vision = read_parts(settings, CLIP_LARGE_224)
        vision = replace(vision, towers=2)  # one for pictures, one for videos
        # The class token stays in videos: 8 frames are 2056 tokens, where the FastV paper speaks of 2048.
        return ModelShape(decoder, vision, read_projector(settings, vision, frame_tokens=vision.patches + 1))


def _pictures(inputs: Mapping[str, Any]) -> Any:
    """(pictures, 3, height, width), by the name that the model gives them or the processor; None without any."""
    return inputs.get("pixel_values_images", inputs.get("pixel_values"))
