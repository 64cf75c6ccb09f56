"""The stand-ins of Qwen3-VL, dense and with experts."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
    Qwen3VLProcessor,
)

from tests.support.family_standins.base import END, START, VIDEO, VIDEO_TOKEN
from tests.support.family_standins.qwen_vl import QWEN_GRIDS, QWEN_PATCH, TOKENS, QwenStandIn, qwen_text


class Qwen3VLStandIn(QwenStandIn):
    key = "qwen3_vl"
    processor_class = Qwen3VLProcessor
    hub_names = ()
    flat_text = False
    config_class: type = Qwen3VLConfig
    model_class: type = Qwen3VLForConditionalGeneration
    experts: dict[str, int] = {}

    def config(self, **shape) -> Any:
        text = qwen_text(**shape) | self.experts
        text["head_dim"] = text["hidden_size"] // text["num_attention_heads"]
        tower = dict(
            depth=4,
            hidden_size=16,
            intermediate_size=20,
            num_heads=2,
            patch_size=QWEN_PATCH,
            out_hidden_size=text["hidden_size"],
            num_position_embeddings=16,
            deepstack_visual_indexes=[0, 1, 2],
        )
        return self.config_class(text_config=text, vision_config=tower, **TOKENS)

    def build(self, config: Any, attention: str) -> torch.nn.Module:
        return self.model_class._from_config(config, attn_implementation=attention)

    def _tokens(self, part: int | str, generator: torch.Generator) -> torch.Tensor:
        """Before each frame of a video stands its time, as text."""
        if part != VIDEO:
            return super()._tokens(part, generator)
        moments, rows, columns = QWEN_GRIDS[VIDEO]
        frame = [START, *[VIDEO_TOKEN] * (rows * columns // 4), END]
        return torch.tensor([token for moment in range(moments) for token in (20 + moment, 21, *frame)])


class Qwen3VLMoeStandIn(Qwen3VLStandIn):
    key = "qwen3_vl_moe"
    config_class = Qwen3VLMoeConfig
    model_class = Qwen3VLMoeForConditionalGeneration
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
