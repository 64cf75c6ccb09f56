"""Multimodal rotary positions (Qwen-VL, GLM-V and their kin): a picture's tokens share positions in time, and those of
the text after it go on from its larger side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastv.families.base import base_of

if TYPE_CHECKING:
    from torch import Tensor, nn


def sequence_length(model: nn.Module, attention_mask: Tensor | None, position_ids: Tensor | None) -> int | None:
    """What ``Family.sequence_length`` returns, for positions (batch, queries) or (3 or 4, batch, queries).

    Rotary positions run behind the tokens by ``rope_deltas``; only the first of four rows counts tokens.
    """
    if attention_mask is not None:
        return attention_mask.shape[-1]
    if position_ids is None:
        return None
    if position_ids.dim() == 3:
        deltas = getattr(base_of(model), "rope_deltas", None)
        if len(position_ids) < 4 and deltas is not None:
            position_ids = position_ids - deltas.repeat_interleave(position_ids.shape[1] // len(deltas), dim=0)
        position_ids = position_ids[0]
    return int(position_ids.max()) + 1
