"""The stand-ins of every family as checkpoints: with real tokenizers, picture processors and chat templates."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    VideoLlavaImageProcessor,
    VideoLlavaProcessor,
)

from fastv.families.processors import taking_frame_videos
from fastv.families.videos import FrameVideoProcessor, PairedFrameVideoProcessor
from tests.support.standins import IMAGE_TOKEN, PATCH, QUESTION_WORDS, SIDE, save_llava_checkpoint
from tests.support.standins_families import END, QWEN_PATCH, STANDINS, START, VIDEO_TOKEN

_PROCESSORS = {
    "video_llava": (VideoLlavaProcessor, FrameVideoProcessor),
    "qwen2_vl": (Qwen2VLProcessor, PairedFrameVideoProcessor),
    "qwen2_5_vl": (Qwen2_5_VLProcessor, PairedFrameVideoProcessor),
}
MOST_PIXELS = 576  # of a picture for the stand-ins of Qwen-VL
_QWEN_SPANS = {
    "image": "<|vision_start|><|image_pad|><|vision_end|>",
    "video": "<|vision_start|><|video_pad|><|vision_end|>",
}


def _tokenizer(special: dict[int, str]) -> PreTrainedTokenizerFast:
    words = ["<pad>", "<s>", "</s>", "<unk>", *QUESTION_WORDS]
    words += [f"w{number}" for number in range(len(words), IMAGE_TOKEN + 1)]
    for number, word in special.items():
        words[number] = word
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        padding_side="left",
        additional_special_tokens=list(special.values()),
    )


def _template(image: str, video: str) -> str:
    return (
        "{% for message in messages %}USER: {% for part in message['content'] %}{% if part['type'] == 'image' %}"
        + image
        + "{% elif part['type'] == 'video' %}"
        + video
        + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %} {% endfor %}ASSISTANT:"
    )


def processor_of(key: str):
    """The real processor of a family that reads videos, in the sizes of its stand-in."""
    kind, videos = _PROCESSORS[key]
    if key == "video_llava":
        side = PATCH * SIDE
        pictures = VideoLlavaImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        special, spans = {VIDEO_TOKEN: "<video>", IMAGE_TOKEN: "<image>"}, {"image": "<image>\n", "video": "<video>\n"}
        own = {"patch_size": PATCH, "vision_feature_select_strategy": "default"}
    else:
        pictures = Qwen2VLImageProcessorPil(
            patch_size=QWEN_PATCH, merge_size=2, temporal_patch_size=2, min_pixels=64, max_pixels=MOST_PIXELS
        )
        special = {
            START: "<|vision_start|>",
            END: "<|vision_end|>",
            VIDEO_TOKEN: "<|video_pad|>",
            IMAGE_TOKEN: "<|image_pad|>",
        }
        spans, own = _QWEN_SPANS, {}
    return taking_frame_videos(kind)(
        image_processor=pictures,
        video_processor=videos(pictures),
        tokenizer=_tokenizer(special),
        chat_template=_template(**spans),
        **own,
    )


def save_checkpoint(key: str, folder: Path, **shape) -> None:
    """Model, tokenizer, picture processor and chat template of a family's stand-in, in files of their own."""
    if key == "llava":
        return save_llava_checkpoint(folder, **shape)
    STANDINS[key].model(**shape).save_pretrained(folder)
    processor = processor_of(key)
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(processor.chat_template, encoding="utf-8")
    return None
