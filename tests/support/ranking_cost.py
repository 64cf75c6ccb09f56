"""What a ranking by attention costs, written down once more beside the methods' own count."""

from __future__ import annotations

from typing import Any

from fastv.families.config_reader import read_shape


def ranking_flops(config: Any, prompt_tokens: int, queries: int) -> float:
    """FLOPs of the products of some queries of layer k - 1 with the keys of the whole prompt, computed once more."""
    decoder = read_shape(config).decoder
    return 2.0 * queries * prompt_tokens * decoder.heads * decoder.head_dim
