"""The stand-ins of Qwen3.5, dense and with experts: layers 1 and 2 keep a state in place of keys.

The first one attends, so that methods that rank by attention cut anywhere; in the real order three that keep a state
come first.
"""

from __future__ import annotations

from typing import Any

from transformers import (
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3_5MoeConfig,
    Qwen3_5MoeForConditionalGeneration,
)

from tests.support.family_standins.qwen3_vl import Qwen3VLStandIn
from tests.support.family_standins.qwen_vl import QWEN_PATCH, TOKENS, qwen_text


class Qwen3_5StandIn(Qwen3VLStandIn):
    key = "qwen3_5"
    config_class: type = Qwen3_5Config
    model_class: type = Qwen3_5ForConditionalGeneration

    def config(self, **shape) -> Any:
        text = qwen_text(**shape) | self.experts
        width = text["hidden_size"] // text["num_attention_heads"]
        kinds = ["full_attention", "linear_attention", "linear_attention", "full_attention"]
        text = dict(layer_types=kinds) | text
        text |= dict(
            head_dim=2 * width,
            linear_key_head_dim=width,
            linear_value_head_dim=width + 4,
            linear_num_key_heads=2,
            linear_num_value_heads=4,
        )
        text["rope_parameters"] |= {"partial_rotary_factor": 0.5}  # of twice the width
        tower = dict(
            depth=2,
            hidden_size=16,
            intermediate_size=20,
            num_heads=2,
            patch_size=QWEN_PATCH,
            out_hidden_size=text["hidden_size"],
            num_position_embeddings=16,
        )
        return self.config_class(text_config=text, vision_config=tower, **TOKENS)


class Qwen3_5MoeStandIn(Qwen3_5StandIn):
    key = "qwen3_5_moe"
    config_class = Qwen3_5MoeConfig
    model_class = Qwen3_5MoeForConditionalGeneration
    experts = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 24,
    }
