"""Decoders by their own model type: the text parts that families share, and configs of a decoder alone.

A new one is a function here and its line in ``DECODERS``; one that a single family has stands in the family's module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastv.families.config_fields import size
from fastv.families.shapes import DecoderShape

DecoderReader = Callable[[Mapping[str, Any]], DecoderShape]


def llama_like(
    settings: Mapping[str, Any],
    *,
    width: int = 4096,
    ffn_width: int = 11008,
    layers: int = 32,
    heads: int = 32,
    kv_heads: int | None = None,
    vocabulary: int = 32000,
    qkv_bias: bool = False,
    head_norms: bool = False,
    layer_norms: int = 2,
    experts: int = 0,
    experts_per_token: int = 0,
    expert_width: int = 0,
    window: int = 0,
    sliding: tuple[bool, ...] = (),
) -> DecoderShape:
    """A decoder of LLaMA's kind; the keywords are its config class's defaults.

    experts: with some, every layer has them in place of one FFN, and a router. window, sliding: as in the shape.
    """
    width, heads = size(settings, "hidden_size", width), size(settings, "num_attention_heads", heads)
    biased = bool(settings.get("attention_bias"))
    return DecoderShape(
        width=width,
        heads=heads,
        ffn_width=size(settings, "moe_intermediate_size", expert_width)
        if experts
        else size(settings, "intermediate_size", ffn_width),
        layers=size(settings, "num_hidden_layers", layers),
        kv_heads=size(settings, "num_key_value_heads", kv_heads or heads),
        head_dim=size(settings, "head_dim", width // heads),
        vocabulary=size(settings, "vocab_size", vocabulary),
        attention_bias=qkv_bias or biased,
        output_bias=biased,
        ffn_bias=bool(settings.get("mlp_bias")),
        tied_embeddings=bool(settings.get("tie_word_embeddings")),
        head_norms=head_norms,
        layer_norms=layer_norms,
        experts=size(settings, "num_local_experts" if "num_local_experts" in settings else "num_experts", experts)
        if experts
        else 0,
        experts_per_token=size(settings, "num_experts_per_tok", experts_per_token) if experts else 0,
        window=window,
        sliding=sliding,
    )


def mistral(settings: Mapping[str, Any]) -> DecoderShape:
    return llama_like(settings, ffn_width=14336, kv_heads=8)


def qwen2(settings: Mapping[str, Any]) -> DecoderShape:
    return llama_like(settings, ffn_width=22016, kv_heads=32, vocabulary=151936, qkv_bias=True)


def qwen3(settings: Mapping[str, Any]) -> DecoderShape:
    return llama_like({"head_dim": 128, **settings}, ffn_width=22016, kv_heads=32, vocabulary=151936, head_norms=True)


#: ``model_type`` of a text part -> what reads its sizes.
DECODERS: dict[str, DecoderReader] = {
    "llama": llama_like,
    "mistral": mistral,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "ministral3": mistral,
}
