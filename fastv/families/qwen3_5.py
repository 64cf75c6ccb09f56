"""Qwen3.5, 3.6 and 3.8, dense and with experts: Qwen3-VL's inputs without DeepStack, and a decoder in which three of
four layers keep a state in place of keys and values.

Attention ranks at the last layer before K that attends. What is dropped on entering K leaves no trace in the states of
layers from K on; those of the layers before hold what they read of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastv.families.base import KeptColumns
from fastv.families.config_fields import as_dict, size
from fastv.families.decoders import llama_like
from fastv.families.entry import ModelEntry
from fastv.families.qwen3_vl import PROMPT, VISUAL_SPAN, Qwen3VL, with_tower
from fastv.families.recurrent_shapes import HybridDecoderShape, hybrid
from fastv.families.shapes import ModelShape

if TYPE_CHECKING:
    from torch import nn


def _entry(
    name: str, description: str, text: Mapping[str, Any], tower: Mapping[str, Any], moe: bool = False
) -> ModelEntry:
    source = name.replace(" ", "-")
    return ModelEntry(
        source.lower(),
        name,
        f"Qwen/{source}",
        description,
        prompt=PROMPT + "<think>\n\n</think>\n\n",
        visual_span=VISUAL_SPAN,
        visual_tokens=1_024,
        config={
            "model_type": "qwen3_5_moe" if moe else "qwen3_5",
            "text_config": text,
            "vision_config": tower,
            "tie_word_embeddings": "4B" in name,
        },
    )


def qwen3_5_text(settings: Mapping[str, Any]) -> HybridDecoderShape:
    """The dense decoder, by the defaults of its config class, those of the 9B."""
    plain = llama_like(
        {"head_dim": 256, **settings},
        ffn_width=12_288,
        heads=16,
        kv_heads=4,
        vocabulary=248_320,
        head_norms=True,
    )
    return hybrid(settings, replace(plain, gated=True))


def qwen3_5_moe_text(settings: Mapping[str, Any]) -> HybridDecoderShape:
    """The decoder with experts, and beside them an FFN of all tokens, by the defaults of its config class, those of the
    35B-A3B.
    """
    plain = llama_like(
        {"head_dim": 256, **settings},
        width=2048,
        layers=40,
        heads=16,
        kv_heads=2,
        vocabulary=248_320,
        head_norms=True,
        experts=256,
        experts_per_token=8,
        expert_width=512,
    )
    dense = size(settings, "shared_expert_intermediate_size", 512)
    return hybrid(settings, replace(plain, gated=True, dense_width=dense, gated_dense=True))


class Qwen3_5(Qwen3VL):  # noqa: N801  # as transformers spells it
    name = "Qwen3.5, 3.6 and 3.8"
    model_types = ("qwen3_5", "qwen3_5_moe")
    decoder_types = {"qwen3_5_text": qwen3_5_text, "qwen3_5_moe_text": qwen3_5_moe_text}
    template_settings = {"enable_thinking": False}  # an answer of some words would end amid what is thought
    # Sizes as in the checkpoints' model cards and configs; what is left out is the default of the config class.
    entries = (
        _entry(
            "Qwen3.5 4B",
            "Three of four layers keep a state in place of keys and values.",
            {"hidden_size": 2560, "intermediate_size": 9216},
            {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "out_hidden_size": 2560},
        ),
        _entry("Qwen3.5 9B", "The most used of the family.", {}, {"out_hidden_size": 4096}),
        _entry(
            "Qwen3.8 27B",
            "The largest dense one; Qwen3.5 and 3.6 have it in the same sizes.",
            {
                "hidden_size": 5120,
                "intermediate_size": 17_408,
                "num_hidden_layers": 64,
                "num_attention_heads": 24,
                "linear_num_value_heads": 48,
            },
            {"out_hidden_size": 5120},
        ),
        _entry(
            "Qwen3.6 35B-A3B",
            "With experts: of 35 billion weights, 3 billion work on each token.",
            {},
            {"out_hidden_size": 2048},
            moe=True,
        ),
    )

    def while_pruned(self, model: nn.Module, kept: KeptColumns) -> AbstractContextManager[Any]:
        return nullcontext()

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings")}
        decoder = (qwen3_5_moe_text if settings.get("model_type") == "qwen3_5_moe" else qwen3_5_text)(text)
        return with_tower(decoder, as_dict(settings.get("vision_config") or {}, "vision_config"), levels=0)
