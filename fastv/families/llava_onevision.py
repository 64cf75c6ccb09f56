"""LLaVA-OneVision: AnyRes as in LLaVA-NeXT, with many more proportions, larger images shrunk, and videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastv.families.anyres_patches import Patches, halved_patches, newline, nothing
from fastv.families.base import Processor
from fastv.families.entry import ModelEntry
from fastv.families.llava import vicuna_prompt
from fastv.families.llava_next import NEWLINE, LlavaNext
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_GRIDS = tuple((384 * rows, 384 * columns) for rows in range(1, 7) for columns in range(1, 7))
_SIGLIP = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
    "vision_use_head": False,
}


def _entry(scale: str, description: str, text: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry(
        f"llava-onevision-{scale.lower()}",
        f"LLaVA-OneVision {scale}",
        f"llava-hf/llava-onevision-qwen2-{scale.lower()}-ov-hf",
        description,
        prompt="<|im_start|>user {picture}\n{question}<|im_end|><|im_start|>assistant\n",
        visual_span="7,371 tokens for 1,024 x 1,024 pixels: an overview of 729, then tiles, each row with a newline",
        visual_tokens=7_371,
        config={
            "model_type": "llava_onevision",
            "text_config": {"model_type": "qwen2", "vocab_size": 152000, **text},
            "vision_config": _SIGLIP,
        },
    )


class LlavaOnevision(LlavaNext):
    """Fewer rows and columns where a picture has many; pictures of a prompt with several are overviews alone."""

    name = "LLaVA-OneVision"
    model_types = ("llava_onevision",)
    entries = (
        _entry(
            "0.5B",
            "The smallest: some papers' model for a laptop.",
            {
                "hidden_size": 896,
                "intermediate_size": 4864,
                "num_hidden_layers": 24,
                "num_attention_heads": 14,
                "num_key_value_heads": 2,
                "tie_word_embeddings": True,
            },
        ),
        _entry(
            "7B",
            "Of many tokens for each image: what papers prune since 2024.",
            {
                "hidden_size": 3584,
                "intermediate_size": 18944,
                "num_hidden_layers": 28,
                "num_attention_heads": 28,
                "num_key_value_heads": 4,
            },
        ),
    )
    grids = _GRIDS
    tower = _SIGLIP
    text_type = "qwen2"

    def visual_token_ids(self, config: Any) -> tuple[int, ...]:
        return (config.image_token_id, config.video_token_id)

    def prompt(self, processor: Processor, question: str, kind: str = "image", count: int = 1) -> str:
        return vicuna_prompt(self, processor, question, kind, count)

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        from transformers import LlavaOnevisionProcessor

        from fastv.families.processors import read_with_videos
        from fastv.families.videos import FrameVideoProcessor

        return read_with_videos(source, LlavaOnevisionProcessor, FrameVideoProcessor)

    def _tower_parts(self, config: Any, token: int, inputs: Mapping[str, Any], lead: int) -> list[tuple[Patches, int]]:
        """Frames of videos are halved, and a newline ends each video; the tower reads them after the pictures."""
        pictures = super()._tower_parts(config, config.image_token_id, inputs, lead)
        videos = inputs.get("pixel_values_videos")
        if token != config.video_token_id:
            return pictures
        if videos is None:
            return []
        side = self._tile_side(config)
        frame = halved_patches(side, lead)
        before = (nothing(), sum(length for _, length in pictures))
        each = [(frame, lead + side**2)] * videos.shape[1]
        return [before, *[*each, (newline(), 0)] * len(videos)]

    def _pictures(self, config: Any, inputs: Mapping[str, Any]) -> Iterator[tuple[VisualGroup, VisualGroup]]:
        together = inputs.get("batch_num_images")
        sizes = inputs["image_sizes"]
        counts = [1] * len(sizes) if together is None else together.tolist()
        alone = [count == 1 for count in counts for _ in range(count)]
        for single, (overview, finer) in zip(alone, super()._pictures(config, inputs), strict=True):
            yield overview, finer if single else NEWLINE

    def _most_tiles(self, config: Any) -> int:
        asked = config.get("vision_aspect_ratio") if isinstance(config, Mapping) else config.vision_aspect_ratio
        return int(str(asked or "anyres_max_9").removeprefix("anyres_max_"))
