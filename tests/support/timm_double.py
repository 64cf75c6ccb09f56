"""In place of timm, where that is not installed: the towers of Perception LM with timm's names of weights and settings.

Rotary positions are left out, so that its values are not timm's; its weights and its FLOPs are.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from transformers.models.timm_wrapper import modeling_timm_wrapper

from fastv.families.perception_shapes import ENCODERS


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        queries, keys, values = self.qkv(states).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))


class _Mlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, states: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(states)))


class _Block(nn.Module):
    def __init__(self, width: int, inner: int, heads: int, scale: float) -> None:
        super().__init__()
        self.gamma_1, self.gamma_2 = (nn.Parameter(torch.full((width,), scale)) for _ in range(2))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = _Attention(width, heads), _Mlp(width, inner)

    def forward(self, states: Tensor) -> Tensor:
        states = states + self.gamma_1 * self.attn(self.norm1(states))
        return states + self.gamma_2 * self.mlp(self.norm2(states))


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.proj(pixels).flatten(2).transpose(1, 2)


class _PerceptionEncoder(nn.Module):
    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        width, patch, side = settings["embed_dim"], settings.get("patch_size", 14), settings["img_size"][0]
        lead = int(settings.get("class_token", True))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if lead else None
        self.pos_embed = nn.Parameter(torch.zeros(1, (side // patch) ** 2 + lead, width))
        self.patch_embed, self.norm_pre = _PatchEmbedding(width, patch), nn.LayerNorm(width)
        inner, heads = int(width * settings["mlp_ratio"]), settings.get("num_heads", 16)
        blocks = (_Block(width, inner, heads, settings["init_values"]) for _ in range(settings["depth"]))
        self.blocks = nn.ModuleList(blocks)

    def forward_features(self, pixels: Tensor) -> Tensor:
        states = self.patch_embed(pixels)
        if self.cls_token is not None:
            states = torch.cat([self.cls_token.expand(len(states), -1, -1), states], dim=1)
        states = self.norm_pre(states + self.pos_embed)
        for block in self.blocks:
            states = block(states)
        return states

    def forward_head(self, states: Tensor) -> Tensor:
        return states


def create_model(name: str, pretrained: bool = False, num_classes: int = 0, **settings: Any) -> nn.Module:
    """As timm's."""
    return _PerceptionEncoder(ENCODERS[name] | settings)


def install() -> None:
    """Let transformers find this where there is no timm."""
    if find_spec("timm") is not None:
        return
    module: Any = ModuleType("timm")
    module.__spec__, module.__version__, module.create_model = ModuleSpec("timm", None), "0", create_model
    sys.modules["timm"] = module
    modeling_timm_wrapper.timm = module
    modeling_timm_wrapper.requires_backends = lambda *_: None
