"""What a model's config says about sizes: the few numbers that costs are computed from.

A config may be a transformers config object (read through its ``to_dict``), that dict, or the short dict of a hub
checkpoint, which lists only what differs from the defaults of its config class. A new family is one more reader in
``_MODELS``, ``_DECODERS`` or ``_VISION``; the arithmetic never looks at a config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastv.errors import UnsupportedModelError

_VICUNA = {"model_type": "llama", "vocab_size": 32064}
_CLIP_LARGE_336 = {"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
                   "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 336, "patch_size": 14}

#: Configs of the paper's two models, to cost them with no download. Vocabulary as in the llava-hf checkpoints.
REFERENCE_CONFIGS: dict[str, dict[str, Any]] = {
    "llava-1.5-7b": {"model_type": "llava", "text_config": _VICUNA, "vision_config": _CLIP_LARGE_336},
    "llava-1.5-13b": {"model_type": "llava", "vision_config": _CLIP_LARGE_336,
                      "text_config": _VICUNA | {"hidden_size": 5120, "intermediate_size": 13824,
                                                "num_hidden_layers": 40, "num_attention_heads": 40}},
}


@dataclass(frozen=True)
class DecoderShape:
    """A LLaMA-like decoder: pre-norm layers, rotary attention (heads may share keys and values), gated FFN."""

    width: int
    ffn_width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    ffn_matrices: int = 3
    attention_bias: bool = False
    ffn_bias: bool = False
    tied_embeddings: bool = False


@dataclass(frozen=True)
class VisionShape:
    """A CLIP-like vision tower. It reads the patches plus one class token, in every one of its layers."""

    width: int
    ffn_width: int
    layers: int
    patches: int
    patch_size: int
    channels: int


@dataclass(frozen=True)
class ProjectorShape:
    """Two linear layers, input_width -> decoder width -> decoder width, run on ``tokens`` features per picture."""

    input_width: int
    tokens: int
    bias: bool = True


@dataclass(frozen=True)
class Shape:
    """All sizes of a model; ``vision`` and ``projector`` are None when the config is of a decoder alone."""

    decoder: DecoderShape
    vision: VisionShape | None = None
    projector: ProjectorShape | None = None


def read_shape(config: Any) -> Shape:
    """The sizes a config describes.

    config: a transformers config of LLaVA or of its text part, the same as a dict, a hub checkpoint's short dict, or a
    ``Shape``, which is returned as it is.
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
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UnsupportedModelError(f"{name} in the config must be a positive whole number, not {value!r}.")
    return value


def _llama(settings: Mapping[str, Any]) -> DecoderShape:
    width, heads = _size(settings, "hidden_size", 4096), _size(settings, "num_attention_heads", 32)
    return DecoderShape(
        width=width, heads=heads,
        ffn_width=_size(settings, "intermediate_size", 11008),
        layers=_size(settings, "num_hidden_layers", 32),
        kv_heads=_size(settings, "num_key_value_heads", heads),
        head_dim=_size(settings, "head_dim", width // heads),
        vocabulary=_size(settings, "vocab_size", 32000),
        attention_bias=bool(settings.get("attention_bias")), ffn_bias=bool(settings.get("mlp_bias")),
        tied_embeddings=bool(settings.get("tie_word_embeddings")),
    )


def _clip(settings: Mapping[str, Any]) -> VisionShape:
    patch = _size(settings, "patch_size", 32)
    return VisionShape(
        width=_size(settings, "hidden_size", 768), ffn_width=_size(settings, "intermediate_size", 3072),
        layers=_size(settings, "num_hidden_layers", 12), patches=(_size(settings, "image_size", 224) // patch) ** 2,
        patch_size=patch, channels=_size(settings, "num_channels", 3),
    )


def _llava(settings: Mapping[str, Any]) -> Shape:
    # A sub-config that is absent, not merely short, means the sizes of LLaVA-1.5-7B's own.
    text = _as_dict(settings.get("text_config") or {"model_type": "llama"}, "text_config")
    tower = _as_dict(settings.get("vision_config") or _CLIP_LARGE_336, "vision_config")
    if settings.get("tie_word_embeddings"):
        text = {**text, "tie_word_embeddings": True}
    decoder = _reader(_DECODERS, text.get("model_type", "llama"), "text part")(text)
    vision = _reader(_VISION, tower.get("model_type", "clip_vision_model"), "vision tower")(tower)
    taken = settings.get("vision_feature_layer", -2)
    depth = 1 if isinstance(taken, int) else len(taken)  # several layers' features are laid side by side
    whole = settings.get("vision_feature_select_strategy", "default") == "full"  # "default" leaves the class token out
    projector = ProjectorShape(input_width=depth * vision.width, tokens=vision.patches + whole,
                               bias=bool(settings.get("multimodal_projector_bias", True)))
    return Shape(decoder, vision, projector)


_DECODERS = {"llama": _llama}
_VISION = {"clip_vision_model": _clip}
_MODELS = {"llava": _llava, "llama": lambda settings: Shape(_llama(settings))}
