"""FastV without rotary positions in the ranking, which favour what stands near the prompt's end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.methods.attention_method import AttentionMethod
from fastv.pruning.signals import UNROTATED

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class FastVNoRope(AttentionMethod):
    """Drop the visual tokens that the last prompt token would attend to least in layer ``k - 1`` without rotary
    positions.

    With them, the last token's attention falls with distance, and the bottom of the picture is kept. The layers attend
    as always; the ranking alone leaves the rotation out. Everything else is as in ``fastv``, the softmax over the whole
    prompt included, where FEATHER's is over the visual tokens alone. See ``Method`` for the parameters.

    References
    ----------
    Endo et al., "Feather the Throttle: Revisiting Visual Token Pruning for Vision-Language Model Acceleration",
    ICCV 2025, arXiv 2412.13180, section 4.
    """

    name = "fastv_norope"
    label = "FastV, no RoPE"
    phrase = "by the last prompt token's attention, its rotary positions undone"
    paper = "arXiv 2412.13180"
    signals = (UNROTATED,)

    def attention(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import last_token_attention

        assert signals.unrotated is not None
        return last_token_attention(*signals.unrotated)
