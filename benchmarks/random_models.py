"""Models of real sizes with random weights, and prompts for them: what benchmarks without downloads run on.

Weights are drawn on the device itself, so that a model of 13 billion parameters is there within seconds. They are
scaled by each matrix's fan-in: activations stay finite in 16 bits and attention is far from uniform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageTextToText

from fastv.families.catalogue import REFERENCE_CONFIGS

#: Sizes of checkpoints on the hub that the catalogue does not list: Qwen/Qwen3-VL-8B-Instruct.
OTHER_CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3-vl-8b": {
        "model_type": "qwen3_vl",
        "text_config": {
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "rope_parameters": {"rope_type": "default", "rope_theta": 5_000_000.0, "mrope_section": [24, 20, 20]},
        },
        "vision_config": {
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "patch_size": 16,
            "out_hidden_size": 4096,
            "deepstack_visual_indexes": [8, 16, 24],
        },
    },
}
# What --smoke puts in place of real widths and depths. Heads keep a width that rotary embeddings of all kinds can use.
_SMALL_DECODER = {
    "hidden_size": 128,
    "intermediate_size": 160,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
_SMALL_TOWER = {
    "llava": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2},
    "qwen2_5_vl": {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 128,
        "fullatt_block_indexes": [1],
    },
    "qwen3_vl": {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 128,
        "deepstack_visual_indexes": [0, 1, 2],
    },
}
_MROPE_SMALL = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [6, 5, 5]}


def config_of(key: str, *, small: bool = False) -> Any:
    """A fresh transformers config of a model.

    Parameters
    ----------
    key : a key of ``REFERENCE_CONFIGS`` or ``OTHER_CONFIGS``.
    small : bool
        The same structure at a tiny width and depth.
    """
    settings = dict(REFERENCE_CONFIGS.get(key) or OTHER_CONFIGS[key])
    kind = settings.pop("model_type")
    if small:
        tower = _SMALL_TOWER[kind]
        settings["vision_config"] = settings["vision_config"] | tower
        if "text_config" in settings or kind == "llava":
            settings["text_config"] = settings["text_config"] | _SMALL_DECODER
            if kind == "qwen3_vl":
                settings["text_config"]["rope_parameters"] = _MROPE_SMALL
        else:
            settings |= {name: value for name, value in _SMALL_DECODER.items() if name != "head_dim"}
            settings["rope_scaling"] = _MROPE_SMALL
    elif kind == "qwen2_5_vl":
        settings["rope_scaling"] = {"rope_type": "default", "mrope_section": [16, 24, 24]}
    return AutoConfig.for_model(kind, **settings)


@torch.no_grad()
def build(
    config: Any, device: torch.device, dtype: torch.dtype, *, attention: str = "sdpa", seed: int = 0
) -> nn.Module:
    """The model of a config, in eval mode, with random weights made on the device."""
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype, attn_implementation=attention)
    generator = torch.Generator(device).manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            fan_in = 1 if "embed_tokens" in name else prod(weight.shape[1:])
            weight.normal_(0, fan_in**-0.5, generator=generator)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)
    model.generation_config.eos_token_id = None  # an answer has as many tokens as are asked for
    model.generation_config.pad_token_id = 0
    return model.eval()


@dataclass(frozen=True)
class Prompt:
    """A batch of prompts of one length, each with one picture.

    ``inputs`` are a model's keyword arguments. ``text_tokens`` counts all columns of a row that are not visual, padding
    included: that is what is computed.
    """

    inputs: Mapping[str, Tensor]
    text_tokens: int
    visual_tokens: int
    batch: int


def prompt(
    model: nn.Module, *, text: int = 36, grid: int = 24, batch: int = 1, padding: int = 0, seed: int = 0
) -> Prompt:
    """Random pictures with random text around them.

    Parameters
    ----------
    text : int
        Columns of a row that are not visual, a quarter of them before the picture.
    grid : int
        Visual tokens along a side of the picture. LLaVA's is fixed by its config, and this is not used.
    padding : int
        How many of the text columns of the last row are padding, on the left; rows before have fewer, the first none.
        0 leaves the attention mask out.
    """
    config, device = model.config, model.device
    vision, image = config.vision_config, config.image_token_id
    generator = torch.Generator(device).manual_seed(seed)
    inputs: dict[str, Tensor] = {}
    if config.model_type == "llava":
        grid = vision.image_size // vision.patch_size
        pixels: tuple[int, ...] = (batch, 3, vision.image_size, vision.image_size)
    else:
        side = grid * vision.spatial_merge_size
        pixels = (batch * side**2, 3 * vision.temporal_patch_size * vision.patch_size**2)
        inputs["image_grid_thw"] = torch.tensor([[1, side, side]] * batch, device=device)
    inputs["pixel_values"] = torch.randn(pixels, device=device, dtype=model.dtype, generator=generator)
    visual = grid**2
    ids = torch.randint(5, min(image, 32_000), (batch, text + visual), device=device, generator=generator)
    mask = torch.ones_like(ids)
    for row in range(batch):
        empty = padding * row // max(batch - 1, 1)
        start = empty + (text - empty) // 4
        ids[row, start : start + visual] = image
        ids[row, :empty], mask[row, :empty] = 0, 0
    inputs["input_ids"] = ids
    if padding:
        inputs["attention_mask"] = mask
    if config.model_type != "llava":
        inputs["mm_token_type_ids"] = (ids == image).int()
    return Prompt(inputs, text, visual, batch)
