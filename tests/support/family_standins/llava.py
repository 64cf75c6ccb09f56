"""LLaVA-1.5's stand-in, which most tests run on in place of downloaded weights."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from tests.support.family_standins.base import IMAGE_TOKEN, PICTURE, QUESTION_WORDS, VIDEO, VOCABULARY, WIDE, StandIn

PATCH, SIDE = 14, 4  # a 56 px picture, 4 x 4 patches: 16 visual tokens
VISUAL_TOKENS = SIDE * SIDE


def llava_config(
    *,
    layers: int = 4,
    width: int = 32,
    heads: int = 4,
    kv_heads: int | None = None,
    side: int = SIDE,
    ffn_width: int | None = None,
) -> LlavaConfig:
    """Config of a small LLaVA with the structure of LLaVA-1.5 (penultimate CLIP features, CLS dropped)."""
    vision = CLIPVisionConfig(
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=PATCH * side,
        patch_size=PATCH,
        projection_dim=24,
    )
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=ffn_width or 2 * width + 8,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads or heads,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE_TOKEN,
        image_seq_length=side * side,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )


def tiny_llava(
    *, attention: str = "sdpa", seed: int = 0, dtype: torch.dtype = torch.float32, **shape
) -> LlavaForConditionalGeneration:
    """A random-weight LLaVA in eval mode; weights are spread wide so that attention is far from uniform."""
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration._from_config(llava_config(**shape), attn_implementation=attention)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 2.0 / weight.shape[-1] ** 0.5 if "embed" not in name else 1.0)
    return model.to(dtype).eval()


def llava_inputs(
    rows: list[tuple[int, ...]] | None = None, *, seed: int = 0, side: int = SIDE, dtype: torch.dtype = torch.float32
) -> dict:
    """Inputs for ``tiny_llava``, left-padded to one length.

    rows: for each row the prompt's segments, positive = so many random text tokens, 0 = one picture;
    the default is one row, ``(5, 0, 7)``.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = rows or [(5, 0, 7)]
    built = []
    for segments in rows:
        parts = [torch.tensor([1])]
        for count in segments:
            parts.append(
                torch.full((side * side,), IMAGE_TOKEN)
                if count == 0
                else torch.randint(3, IMAGE_TOKEN, (count,), generator=generator)
            )
        built.append(torch.cat(parts))
    longest = max(len(row) for row in built)
    ids = torch.stack([torch.cat([torch.zeros(longest - len(row), dtype=torch.long), row]) for row in built])
    mask = torch.stack(
        [
            torch.cat([torch.zeros(longest - len(row), dtype=torch.long), torch.ones(len(row), dtype=torch.long)])
            for row in built
        ]
    )
    pictures = sum(segments.count(0) for segments in rows)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if pictures:
        pixels = torch.randn(pictures, 3, PATCH * side, PATCH * side, generator=generator)
        inputs["pixel_values"] = pixels.to(dtype)
    return inputs


def save_llava_checkpoint(folder, **shape) -> None:
    """Writes ``tiny_llava(**shape)`` as a checkpoint in the layout of the llava-hf ones, with its processor."""
    model = tiny_llava(**shape)
    model.save_pretrained(folder)
    llava_processor(model.config.vision_config.image_size).save_pretrained(folder)


def llava_processor(image_size: int = PATCH * SIDE) -> LlavaProcessor:
    """Its tokenizer knows QUESTION_WORDS and "w17", "w18", ... up to the vocabulary; other words become <unk>."""
    words = ["<pad>", "<s>", "</s>", "<unk>", *QUESTION_WORDS]
    words += [f"w{number}" for number in range(len(words), IMAGE_TOKEN)] + ["<image>"]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )
    pictures = CLIPImageProcessorPil(
        size={"shortest_edge": image_size}, crop_size={"height": image_size, "width": image_size}
    )
    template = (
        "{% for message in messages %}USER: {% for part in message['content'] %}{% if part['type'] == 'image' %}"
        "<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor %}ASSISTANT:"
    )
    return LlavaProcessor(
        pictures,
        fast,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )


#: Names of LLaVA's and Video-LLaVA's weights now and in checkpoints of the hub.
LLAVA_HUB_NAMES = (
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    *((f"model.{tower}.", f"{tower}.vision_model.") for tower in ("vision_tower", "image_tower", "video_tower")),
    ("model.", ""),
)


class LlavaStandIn(StandIn):
    key = "llava"
    visual_tokens = {PICTURE: VISUAL_TOKENS, WIDE: VISUAL_TOKENS}
    towers = ("model.vision_tower", "model.vision_tower")
    projector = "model.multi_modal_projector"
    hub_names = LLAVA_HUB_NAMES

    def config(self, **shape) -> LlavaConfig:
        return llava_config(**shape)

    def build(self, config: LlavaConfig, attention: str) -> LlavaForConditionalGeneration:
        return LlavaForConditionalGeneration._from_config(config, attn_implementation=attention)

    def pixels(self, parts: list[str], generator: torch.Generator) -> dict[str, torch.Tensor]:
        pictures = sum(part != VIDEO for part in parts)
        side = PATCH * SIDE
        return {"pixel_values": torch.randn(pictures, 3, side, side, generator=generator)} if pictures else {}

    def processor(self) -> LlavaProcessor:
        return llava_processor()

    def save(self, folder: Path, **shape) -> None:
        save_llava_checkpoint(folder, **shape)
