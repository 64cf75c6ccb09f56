"""Small random-weight models of any image-text-to-text type of the installed transformers, from its config class alone.

The default config is shrunk field by field: widths, depths, heads, experts. What that does not reach stands in
``_CHANGES`` by model type.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText, CLIPVisionConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

MODEL_TYPES = tuple(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
LAYERS = 4
MOST_PARAMETERS = 300_000_000
_OTHER_PARTS = ("vision", "audio", "vq", "image", "speech", "qformer")
_WIDTHS = "hidden_size d_model embed_dim n_embd dim width vision_embed_dim encoder_embed_dim mm_hidden_size"
_FFN = "intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim intermediate_size_mlp"
_DEPTHS = "num_hidden_layers num_layers depth n_layer decoder_layers num_decoder_layers"
_HEADS = "num_attention_heads num_heads n_head encoder_attention_heads decoder_attention_heads attention_heads"
_EXPERTS = "num_experts n_routed_experts num_local_experts moe_num_experts"
_MOST = {
    **dict.fromkeys(_WIDTHS.split(), 32),
    **dict.fromkeys(_FFN.split(), 48),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 16),
    **dict.fromkeys(_DEPTHS.split(), LAYERS),
    **dict.fromkeys(("encoder_layers", "num_encoder_layers"), 2),
    **dict.fromkeys(_HEADS.split(), 4),
    **dict.fromkeys(_EXPERTS.split(), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "num_key_value_heads"), 2),
    "n_shared_experts": 1,
    "head_dim": 8,
    "max_position_embeddings": 2048,
}
#: Model type -> {path in the config: value}, after shrinking.
_ROTARY = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
_WIDE = {"text_config.hidden_size": 256, "vision_config.out_hidden_size": 256}  # for sections of fixed size
_ONE_HEAD_EACH = {"text_config.num_key_value_heads": 4, "text_config.head_dim": 64}
_TOWER = CLIPVisionConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
_TOWER.model_args = {"embed_dim": 32}
_CHANGES: dict[str, dict[str, Any]] = {
    "chameleon": {"vocabulary_map": {"<image>": 8711, "IMGIMGA": 4}},
    "cohere_compass": {"text_config.rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}},
    "deepseek_ocr2": {"text_config.mlp_layer_types": ["dense"] * LAYERS},
    "dots3_note": _ONE_HEAD_EACH,
    "emu3": {"vocabulary_map": {"<image>": 151646, "<|extra_200|>": 151645}},
    "ernie4_5_vl_moe": {"text_config.head_dim": 128, "text_config.moe_intermediate_size": [16, 16]},
    "fast_vlm": {"vision_config": _TOWER},  # its own needs timm; no pixels go through it
    "gemma4": {"text_config.vocab_size_per_layer_input": 1024},
    "glm46v": _WIDE,
    "glm4v": _WIDE,
    "glm4v_moe": {"text_config.head_dim": 128},
    "glm_ocr": {"text_config.head_dim": 64},
    "glmga": _WIDE,
    "granite4_vision": {
        "deepstack_layer_map": [(-1, 0), (-2, 1)],
        "spatial_target_layers": [1, 1, 2, 2],
        "downsample_rate": "1/2",
    },
    "hunyuan_vl": {"text_config.head_dim": 8, "text_config.rope_parameters": _ROTARY},
    "kimi_k25": _ONE_HEAD_EACH,
    "lfm2_vl": {"text_config.layer_types": ["conv", "conv", "full_attention", "conv"]},  # as in its checkpoints
    "paddleocr_vl": {"text_config.head_dim": 128},
    "perception_lm": {"vision_config": _TOWER},
    "qwen2_5_omni_thinker": {"vision_start_token_id": 151652, "text_config.rope_parameters": _ROTARY},
    "qwen2_5_vl": {"text_config.rope_parameters": _ROTARY},
    "qwen2_vl": {"text_config.rope_parameters": _ROTARY},
    "qwen3_omni_moe_thinker": {"vision_start_token_id": 151652},
    "step3p7": {"text_config.sliding_window": 512},
}


def tiny_model(model_type: str, window: int | None = None) -> torch.nn.Module:
    """In eval mode, with weights spread so wide that attention is far from uniform.

    window: of a decoder that has a sliding window, in place of its own.

    Raises whatever the config or model class raises where the type cannot be built this way, and MemoryError where it
    would stay large.
    """
    config = tiny_config(model_type)
    text = config.get_text_config(decoder=True)
    if window and getattr(text, "sliding_window", None):
        text.sliding_window = window
    with torch.device("meta"):
        empty = AutoModelForImageTextToText.from_config(config)
    parameters = sum(weight.numel() for weight in empty.parameters())
    if parameters > MOST_PARAMETERS:
        raise MemoryError(f"stays at {parameters / 1e6:.0f} M parameters")
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and weight.is_floating_point() and "rel_" not in name:
                weight.normal_(0, 2.0 / weight[0].numel() ** 0.5 if "embed" not in name else 1.0)
    return model.float().eval()


def tiny_config(model_type: str) -> PreTrainedConfig:
    config = CONFIG_MAPPING[model_type]()
    _shrink(config, "")
    for path, value in _CHANGES.get(model_type, {}).items():
        *parts, name = path.split(".")
        part: Any = config
        for each in parts:
            part = getattr(part, each)
        setattr(part, name, value)
    text = config.get_text_config(decoder=True)
    named = (vars(config).get(name) for name in vars(config) if name.startswith(("image_token", "video_token")))
    tokens = [token for token in (*named, getattr(text, "pad_token_id", None)) if isinstance(token, int)]
    if isinstance(getattr(text, "vocab_size", None), int):
        text.vocab_size = max(text.vocab_size, *(token + 1 for token in tokens), 64)
    return config


def _shrink(config: PreTrainedConfig, path: str) -> None:
    """path: names of the parts it lies in, by which towers are told from decoders."""
    tower = any(part in path for part in _OTHER_PARTS)
    for name, value in list(vars(config).items()):
        if isinstance(value, PreTrainedConfig):
            _shrink(value, f"{path}.{name}")
        elif name in _MOST and isinstance(value, int) and not isinstance(value, bool) and value > _MOST[name]:
            setattr(config, name, 2 if tower and name in _DEPTHS.split() else _MOST[name])
    depth = getattr(config, "num_hidden_layers", None)
    if isinstance(depth, int) and getattr(config, "layer_types", None):
        kinds = list(dict.fromkeys(config.layer_types))[:depth]  # each is still there, in their usual order
        config.layer_types = config.layer_types[: depth - len(kinds) + 1] + kinds[1:]
    rotary = getattr(config, "rope_parameters", None)
    for settings in [rotary, *rotary.values()] if isinstance(rotary, dict) else []:
        if isinstance(settings, dict) and settings.get("mrope_section"):
            settings["mrope_section"] = [2, 1, 1]
