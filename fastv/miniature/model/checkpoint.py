"""Miniatures on disk, laid out as ``llava-hf`` checkpoints are: what loads LLaVA-1.5 loads them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor

_SHARD = "9MB"  # file hosts want large-file storage from 10 MB on


def save(model: LlavaForConditionalGeneration, processor: LlavaProcessor, folder: Path) -> None:
    """Weights in half precision, config, tokenizer, processor and chat template; ``model`` itself stays as it is.

    Weights keep the eight significant bits that training in bfloat16 sees of them: compressed, they take a sixth less.
    """
    config = model.config.to_dict()
    for part in ("text_config", "vision_config"):
        config[part].pop("dtype", None)  # that of the training; the whole names its own
    half = {name: weight.bfloat16().half() for name, weight in model.state_dict().items()}
    copy = LlavaForConditionalGeneration(model.config.__class__.from_dict(config)).half()
    copy.load_state_dict(half)
    copy.generation_config.update(do_sample=False)
    copy.save_pretrained(folder, max_shard_size=_SHARD)
    processor.save_pretrained(folder)


def saved(folder: Path) -> LlavaForConditionalGeneration:
    """A saved miniature, in float32."""
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
