"""Gemma 4 in the catalogue: sizes as in the checkpoints' published metadata, or the config class's default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastv.families.entry import ModelEntry

_LARGE_TOWER = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "head_dim": 72,
}


def _entry(
    name: str, description: str, text: Mapping[str, Any], tower: Mapping[str, Any], sounds: Mapping[str, Any] | None
) -> ModelEntry:
    return ModelEntry(
        f"gemma-4-{name.lower()}",
        f"Gemma 4 {name}",
        f"google/gemma-4-{name}-it",
        description,
        prompt="<|turn>user\n{picture}{question}<turn|>\n<|turn>model\n",
        visual_span="256 tokens for a square image, up to 280 for others, between <|image> and <image|>",
        visual_tokens=256,
        config={
            "model_type": "gemma4",
            "text_config": {"model_type": "gemma4_text", **text},
            "vision_config": {"model_type": "gemma4_vision", **tower},
            "audio_config": sounds,
        },
    )


_LARGE_TEXT = {
    "attention_k_eq_v": True,
    "hidden_size_per_layer_input": 0,
    "sliding_window": 1024,
}

ENTRIES = (
    _entry(
        "E2B",
        "The smallest, for phones; some of its layers share keys and values.",
        {
            "hidden_size": 1536,
            "intermediate_size": 6144,
            "num_hidden_layers": 35,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "num_kv_shared_layers": 20,
            "use_double_wide_mlp": True,
            "layer_types": (["sliding_attention"] * 4 + ["full_attention"]) * 7,
        },
        {},
        {},
    ),
    _entry(
        "E4B",
        "For laptops; some of its layers share keys and values.",
        {
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 42,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "num_kv_shared_layers": 18,
        },
        {},
        {},
    ),
    _entry(
        "26B-A4B",
        "A mixture of experts, of which 4B work on each token.",
        _LARGE_TEXT
        | {
            "hidden_size": 2816,
            "intermediate_size": 2112,
            "num_hidden_layers": 30,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "num_global_key_value_heads": 2,
            "enable_moe_block": True,
            "num_experts": 128,
            "top_k_experts": 8,
            "moe_intermediate_size": 704,
        },
        _LARGE_TOWER,
        None,
    ),
    _entry(
        "31B",
        "The largest Gemma 4.",
        _LARGE_TEXT
        | {
            "hidden_size": 5376,
            "intermediate_size": 21504,
            "num_hidden_layers": 60,
            "num_attention_heads": 32,
            "num_key_value_heads": 16,
            "num_global_key_value_heads": 4,
        },
        _LARGE_TOWER,
        None,
    ),
)
