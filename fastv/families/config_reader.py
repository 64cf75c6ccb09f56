"""What a model's config says about sizes.

A config may be a transformers config object (read through its ``to_dict``), that dict, or the short dict of a hub
checkpoint, which lists only what differs from the defaults of its config class. A new family is one more reader in
``_MODELS``, ``_DECODERS`` or ``_VISION``; the arithmetic never looks at a config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastv.errors import UnsupportedModelError
from fastv.families.references import CLIP_LARGE_224, CLIP_LARGE_336, REFERENCE_CONFIGS
from fastv.families.shapes import DecoderShape, FlexibleVisionShape, ProjectorShape, Shape, VisionShape
from fastv.validation import whole

__all__ = [
    "REFERENCE_CONFIGS",
    "DecoderShape",
    "FlexibleVisionShape",
    "ProjectorShape",
    "Shape",
    "VisionShape",
    "read_shape",
]

_NOMINAL_SIDE = 672  # pixels; a picture for which Qwen-VL has the 576 tokens of LLaVA-1.5


def read_shape(config: Any) -> Shape:
    """The sizes a config describes.

    config: a transformers config of LLaVA, Video-LLaVA or Qwen-VL or of a text part, the same as a dict, a hub
    checkpoint's short dict, or a ``Shape``, which is returned as it is.
    Raises UnsupportedModelError for a model type, or a kind of object, whose layers are not known here.
    """
    if isinstance(config, Shape):
        return config
    settings = _as_dict(config, "the config")
    kind = settings.get("model_type") or ("llava" if "text_config" in settings else None)
    if kind is None and "hidden_size" in settings:
        kind = "llama"
    return _reader(_MODELS, kind, "model")(settings)


def _as_dict(config: Any, role: str) -> Mapping[str, Any]:
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    if not isinstance(config, Mapping):
        raise UnsupportedModelError(f"{role} must be a transformers config or a dict, not {type(config).__name__}.")
    return config


def _reader(readers: Mapping[str, Any], kind: Any, part: str):
    if kind not in readers:
        named = "no model_type" if kind is None else f"model_type {kind!r}"
        known = ", ".join(sorted(readers))
        raise UnsupportedModelError(f"The cost of a {part} with {named} is not known; known: {known}.")
    return readers[kind]


def _size(settings: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A positive whole number out of a config; absent or null means the default."""
    value = settings.get(name)
    value = default if value is None else value
    return whole(value, f"{name} in the config", low=1, error=UnsupportedModelError)


def _llama(
    settings: Mapping[str, Any],
    *,
    width: int = 4096,
    ffn_width: int = 11008,
    layers: int = 32,
    heads: int = 32,
    kv_heads: int | None = None,
    vocabulary: int = 32000,
    qkv_bias: bool = False,
) -> DecoderShape:
    """A decoder of LLaMA's kind; the keywords are its config class's defaults."""
    width, heads = _size(settings, "hidden_size", width), _size(settings, "num_attention_heads", heads)
    biased = bool(settings.get("attention_bias"))
    return DecoderShape(
        width=width,
        heads=heads,
        ffn_width=_size(settings, "intermediate_size", ffn_width),
        layers=_size(settings, "num_hidden_layers", layers),
        kv_heads=_size(settings, "num_key_value_heads", kv_heads or heads),
        head_dim=_size(settings, "head_dim", width // heads),
        vocabulary=_size(settings, "vocab_size", vocabulary),
        attention_bias=biased or qkv_bias,
        output_bias=biased,
        ffn_bias=bool(settings.get("mlp_bias")),
        tied_embeddings=bool(settings.get("tie_word_embeddings")),
    )


def _mistral(settings: Mapping[str, Any]) -> DecoderShape:
    return _llama(settings, ffn_width=14336, kv_heads=8)


def _qwen2(settings: Mapping[str, Any]) -> DecoderShape:
    return _llama(settings, ffn_width=22016, kv_heads=32, vocabulary=151936, qkv_bias=True)


def _qwen_vl_text(settings: Mapping[str, Any]) -> DecoderShape:
    return _llama(
        settings, width=8192, ffn_width=29568, layers=80, heads=64, kv_heads=8, vocabulary=152064, qkv_bias=True
    )


def _clip(settings: Mapping[str, Any]) -> VisionShape:
    patch = _size(settings, "patch_size", 32)
    return VisionShape(
        width=_size(settings, "hidden_size", 768),
        ffn_width=_size(settings, "intermediate_size", 3072),
        layers=_size(settings, "num_hidden_layers", 12),
        patches=(_size(settings, "image_size", 224) // patch) ** 2,
        patch_size=patch,
        channels=_size(settings, "num_channels", 3),
    )


def _parts(settings: Mapping[str, Any], tower: Mapping[str, Any]) -> tuple[DecoderShape, VisionShape]:
    """Decoder and CLIP-like tower. A sub-config that is absent, not merely short, means the sizes of the first 7B."""
    text = _as_dict(settings.get("text_config") or {"model_type": "llama"}, "text_config")
    tower = _as_dict(settings.get("vision_config") or tower, "vision_config")
    if settings.get("tie_word_embeddings"):
        text = {**text, "tie_word_embeddings": True}
    return (
        _reader(_DECODERS, text.get("model_type", "llama"), "text part")(text),
        _reader(_VISION, tower.get("model_type", "clip_vision_model"), "vision tower")(tower),
    )


def _projector(settings: Mapping[str, Any], vision: VisionShape, frame_tokens: int = 0) -> ProjectorShape:
    taken = settings.get("vision_feature_layer", -2)
    depth = 1 if isinstance(taken, int) else len(taken)  # several layers' features are laid side by side
    whole = settings.get("vision_feature_select_strategy", "default") == "full"  # "default" leaves the class token out
    return ProjectorShape(
        input_width=depth * vision.width,
        tokens=vision.patches + whole,
        bias=bool(settings.get("multimodal_projector_bias", True)),
        frame_tokens=frame_tokens,
    )


def _llava(settings: Mapping[str, Any]) -> Shape:
    decoder, vision = _parts(settings, CLIP_LARGE_336)
    return Shape(decoder, vision, _projector(settings, vision))


def _video_llava(settings: Mapping[str, Any]) -> Shape:
    decoder, vision = _parts(settings, CLIP_LARGE_224)
    vision = VisionShape(**vars(vision) | {"towers": 2})  # one for pictures, one for videos
    # The class token stays in videos: 8 frames are 2056 tokens, where the FastV paper speaks of 2048.
    return Shape(decoder, vision, _projector(settings, vision, frame_tokens=vision.patches + 1))


def _qwen_vl(settings: Mapping[str, Any], flexible: Any) -> Shape:
    text = _as_dict(settings.get("text_config") or settings, "text_config")  # hub checkpoints have it all in one
    if settings.get("tie_word_embeddings"):
        text = {**text, "tie_word_embeddings": True}
    vision = flexible(_as_dict(settings.get("vision_config") or {}, "vision_config"))
    block = vision.merge**2 * vision.width
    tokens = (_NOMINAL_SIDE // (vision.patch_size * vision.merge)) ** 2
    return Shape(_qwen_vl_text(text), vision, ProjectorShape(block, tokens, inner_width=block))


def _qwen_tower(settings: Mapping[str, Any], **sizes: Any) -> FlexibleVisionShape:
    return FlexibleVisionShape(
        layers=_size(settings, "depth", 32),
        channels=_size(settings, "in_channels", 3),
        patch_size=_size(settings, "patch_size", 14),
        merge=_size(settings, "spatial_merge_size", 2),
        patch_frames=_size(settings, "temporal_patch_size", 2),
        **sizes,
    )


def _qwen2_tower(settings: Mapping[str, Any]) -> FlexibleVisionShape:
    width = _size(settings, "embed_dim", 1280)
    return _qwen_tower(settings, width=width, ffn_width=width * _size(settings, "mlp_ratio", 4))


def _qwen2_5_tower(settings: Mapping[str, Any]) -> FlexibleVisionShape:
    patch, merge = _size(settings, "patch_size", 14), _size(settings, "spatial_merge_size", 2)
    layers, whole = _size(settings, "depth", 32), settings.get("fullatt_block_indexes", (7, 15, 23, 31))
    return _qwen_tower(
        settings,
        width=_size(settings, "hidden_size", 3584),
        ffn_width=_size(settings, "intermediate_size", 3420),
        window=_size(settings, "window_size", 112) // merge // patch * merge,
        whole_layers=sum(index < layers for index in whole),
        ffn_matrices=3,
        norm_bias=False,
    )


_DECODERS = {"llama": _llama, "mistral": _mistral, "qwen2": _qwen2}
_VISION = {"clip_vision_model": _clip}
_MODELS = {
    "llava": _llava,
    "video_llava": _video_llava,
    "llama": lambda settings: Shape(_llama(settings)),
    "qwen2_vl": lambda settings: _qwen_vl(settings, _qwen2_tower),
    "qwen2_5_vl": lambda settings: _qwen_vl(settings, _qwen2_5_tower),
    "qwen2": lambda settings: Shape(_qwen2(settings)),
    "mistral": lambda settings: Shape(_mistral(settings)),
    "qwen2_vl_text": lambda settings: Shape(_qwen_vl_text(settings)),
    "qwen2_5_vl_text": lambda settings: Shape(_qwen_vl_text(settings)),
}
