"""Configs of models one asks about, to cost them with no download. What is left out is the default of the class."""

from __future__ import annotations

from typing import Any

_VICUNA = {"model_type": "llama", "vocab_size": 32064}
_VICUNA_13B = _VICUNA | {
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
}
CLIP_LARGE_336 = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
CLIP_LARGE_224 = CLIP_LARGE_336 | {"image_size": 224}

_QWEN_7B = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}
_QWEN2_TOWER = {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16}
_QWEN2_5_TOWER = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}

#: By catalogue key. The sizes are those in each checkpoint's config.json on the Hugging Face hub:
#: llava-hf/llava-1.5-7b-hf and -13b-hf, LanguageBind/Video-LLaVA-7B-hf, Qwen/Qwen2-VL-2B-Instruct and -7B-Instruct,
#: Qwen/Qwen2.5-VL-3B-Instruct and -7B-Instruct.
REFERENCE_CONFIGS: dict[str, dict[str, Any]] = {
    "llava-1.5-7b": {"model_type": "llava", "text_config": _VICUNA, "vision_config": CLIP_LARGE_336},
    "llava-1.5-13b": {"model_type": "llava", "text_config": _VICUNA_13B, "vision_config": CLIP_LARGE_336},
    "video-llava-7b": {"model_type": "video_llava", "text_config": _VICUNA, "vision_config": CLIP_LARGE_224},
    "qwen2-vl-2b": {
        "model_type": "qwen2_vl",
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
        "vision_config": _QWEN2_TOWER | {"hidden_size": 1536},
    },
    "qwen2-vl-7b": {"model_type": "qwen2_vl", **_QWEN_7B, "vision_config": _QWEN2_TOWER | {"hidden_size": 3584}},
    "qwen2.5-vl-3b": {
        "model_type": "qwen2_5_vl",
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
        "vision_config": _QWEN2_5_TOWER | {"out_hidden_size": 2048},
    },
    "qwen2.5-vl-7b": {
        "model_type": "qwen2_5_vl",
        **_QWEN_7B,
        "vision_config": _QWEN2_5_TOWER | {"out_hidden_size": 3584},
    },
}
