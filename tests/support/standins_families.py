"""The same for every family: tiny random-weight models with the real classes, and prompts of pictures and videos.

A prompt is a row of segments: a number is so many random text tokens, PICTURE and WIDE are pictures (of other sizes
where the family takes any size), VIDEO is a short clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    VideoLlavaConfig,
    VideoLlavaForConditionalGeneration,
)

from tests.support.standins import IMAGE_TOKEN, PATCH, SIDE, VOCABULARY, llava_config, tiny_llava

PICTURE, WIDE, VIDEO = "picture", "wide", "video"
START, END, VIDEO_TOKEN = 95, 96, 97  # beside IMAGE_TOKEN; tokens below are text
FRAMES = 3  # of a Video-LLaVA clip
QWEN_PATCH, QWEN_CHANNELS = 2, 3 * 2 * 2 * 2  # pixels of a patch side; numbers in a patch of two frames
QWEN_GRIDS = {PICTURE: (1, 4, 6), WIDE: (1, 4, 8), VIDEO: (2, 6, 4)}  # in patches; four make a visual token

ROWS = {
    "picture": [(5, PICTURE, 7)],
    "three rows": [(5, PICTURE, 7), (2, WIDE, 3, PICTURE, 4), (9,)],
    "video": [(5, VIDEO, 7)],
    "video and picture": [(4, VIDEO, 9), (5, PICTURE, 3, VIDEO, 2), (3, WIDE, 6)],
}


@dataclass(frozen=True)
class StandIn:
    """A family's stand-in. video: whether it reads videos. visual_tokens: those of one segment of each kind."""

    key: str
    build: Callable[..., torch.nn.Module]
    visual_tokens: dict[str, int]
    pixels: Callable[[list[str], torch.Generator], dict[str, torch.Tensor]]
    marked: bool = False  # START and END stand around what is visual

    @property
    def video(self) -> bool:
        return VIDEO in self.visual_tokens

    @property
    def prompts(self) -> dict[str, list[tuple]]:
        return {name: rows for name, rows in ROWS.items() if self.video or "video" not in name}

    def model(self, attention: str = "sdpa", dtype: torch.dtype = torch.float32, **shape) -> torch.nn.Module:
        """In eval mode, with weights spread so wide that attention is far from uniform."""
        torch.manual_seed(0)
        model = self.build(attention, **shape)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.dim() > 1:
                    weight.normal_(0, 2.0 / weight[0].numel() ** 0.5 if "embed_tokens" not in name else 1.0)
                elif name.endswith("bias"):
                    weight.normal_(0, 0.2)
        return model.to(dtype).eval()

    def inputs(self, rows: list[tuple], *, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict:
        """What the processor makes of such prompts, left-padded to one length. Row i alone has ``seed + i``."""
        built, pixels = [], {}
        for number, row in enumerate(rows):
            generator = torch.Generator().manual_seed(seed + number)
            built.append(torch.cat([torch.tensor([1]), *(self._tokens(part, generator) for part in row)]))
            for name, value in self.pixels([part for part in row if isinstance(part, str)], generator).items():
                pixels.setdefault(name, []).append(value.to(dtype) if value.is_floating_point() else value)
        longest = max(map(len, built))
        ids = torch.stack([torch.cat([torch.zeros(longest - len(row), dtype=torch.long), row]) for row in built])
        inputs = {"input_ids": ids, "attention_mask": (ids != 0).long()}
        if self.marked:
            inputs["mm_token_type_ids"] = (ids == IMAGE_TOKEN).int() + 2 * (ids == VIDEO_TOKEN).int()
        return inputs | {name: torch.cat(parts) for name, parts in pixels.items()}

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        if isinstance(part, int):
            return torch.randint(3, START, (part,), generator=generator)
        token = VIDEO_TOKEN if part == VIDEO else IMAGE_TOKEN
        visual = torch.full((self.visual_tokens[part],), token)
        return torch.cat([torch.tensor([START]), visual, torch.tensor([END])]) if self.marked else visual


def _llava(attention: str, **shape) -> torch.nn.Module:
    return tiny_llava(attention=attention, **shape)


def _llava_pixels(parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
    pictures = sum(part != VIDEO for part in parts)
    side = PATCH * SIDE
    return {"pixel_values": torch.randn(pictures, 3, side, side, generator=generator)} if pictures else {}


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


def _video_llava(attention: str, **shape) -> torch.nn.Module:
    return VideoLlavaForConditionalGeneration._from_config(video_llava_config(**shape), attn_implementation=attention)


def _video_llava_pixels(parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
    clips, side, made = parts.count(VIDEO), PATCH * SIDE, {}
    if clips < len(parts):  # the processor's name for pictures
        made["pixel_values_images"] = torch.randn(len(parts) - clips, 3, side, side, generator=generator)
    if clips:
        made["pixel_values_videos"] = torch.randn(clips, FRAMES, 3, side, side, generator=generator)
    return made


def _qwen_text(
    layers: int = 4, width: int = 32, heads: int = 4, kv_heads: int = 2, ffn_width: int | None = None, **more
) -> dict:
    half = width // heads // 2
    sections = [half - 2 * (half // 3), half // 3, half // 3]
    return dict(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=ffn_width or 2 * width + 8,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": sections},
        **more,
    )


_QWEN_TOKENS = dict(
    image_token_id=IMAGE_TOKEN, video_token_id=VIDEO_TOKEN, vision_start_token_id=START, vision_end_token_id=END
)


def qwen2_vl_config(**shape) -> Qwen2VLConfig:
    text = _qwen_text(**shape)
    tower = dict(
        depth=2, embed_dim=16, hidden_size=text["hidden_size"], mlp_ratio=2, num_heads=2, patch_size=QWEN_PATCH
    )
    return Qwen2VLConfig(text_config=text, vision_config=tower, **_QWEN_TOKENS)


def _qwen2_vl(attention: str, **shape) -> torch.nn.Module:
    return Qwen2VLForConditionalGeneration._from_config(qwen2_vl_config(**shape), attn_implementation=attention)


def qwen2_5_vl_config(**shape) -> Qwen2_5_VLConfig:
    text = _qwen_text(**shape)
    tower = dict(
        depth=3,
        hidden_size=16,
        intermediate_size=20,
        num_heads=2,
        patch_size=QWEN_PATCH,
        out_hidden_size=text["hidden_size"],
        window_size=4 * QWEN_PATCH,
        fullatt_block_indexes=[1],
    )
    return Qwen2_5_VLConfig(text_config=text, vision_config=tower, **_QWEN_TOKENS)


def _qwen2_5_vl(attention: str, **shape) -> torch.nn.Module:
    return Qwen2_5_VLForConditionalGeneration._from_config(qwen2_5_vl_config(**shape), attn_implementation=attention)


def _qwen_pixels(parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
    made = {}
    for kind, pixels, videos in (("image", "pixel_values", False), ("video", "pixel_values_videos", True)):
        grids = [QWEN_GRIDS[part] for part in parts if (part == VIDEO) == videos]
        if grids:
            made[f"{kind}_grid_thw"] = torch.tensor(grids)
            patches = sum(t * h * w for t, h, w in grids)
            made[pixels] = torch.randn(patches, QWEN_CHANNELS, generator=generator)
    return made


def _qwen2_5_pixels(parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
    made = _qwen_pixels(parts, generator)
    if "video_grid_thw" in made:
        made["second_per_grid_ts"] = torch.full((len(made["video_grid_thw"]),), 1.0)
    return made


_QWEN_VISUAL = {part: t * h * w // 4 for part, (t, h, w) in QWEN_GRIDS.items()}
_LLAVA_VISUAL = {PICTURE: SIDE * SIDE, WIDE: SIDE * SIDE}
STANDINS = {
    one.key: one
    for one in (
        StandIn("llava", _llava, _LLAVA_VISUAL, _llava_pixels),
        StandIn("video_llava", _video_llava, _LLAVA_VISUAL | {VIDEO: FRAMES * (SIDE * SIDE + 1)}, _video_llava_pixels),
        StandIn("qwen2_vl", _qwen2_vl, _QWEN_VISUAL, _qwen_pixels, marked=True),
        StandIn("qwen2_5_vl", _qwen2_5_vl, _QWEN_VISUAL, _qwen2_5_pixels, marked=True),
    )
}
