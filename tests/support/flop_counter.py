"""What torch counts while a model runs: FLOPs of one forward pass, per module."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode


def fused_attention(query, key, value, *args, **kwargs) -> int:
    """Two products over the whole square, as FlopCounterMode counts CUDA's fused kernels; it knows no CPU one."""
    batch, heads, queries, head_dim = query
    return 4 * batch * heads * queries * key[2] * head_dim


def counter() -> FlopCounterMode:
    formulas = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused_attention}
    return FlopCounterMode(display=False, custom_mapping=formulas)


def counted(model, inputs) -> dict[str, int]:
    """FLOPs of one forward pass, per module."""
    with counter() as count, torch.no_grad():
        model(**inputs, logits_to_keep=1)
    return {name: sum(counts.values()) for name, counts in count.get_flop_counts().items()}
