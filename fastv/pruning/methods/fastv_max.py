"""FastV with the strongest head in place of the average one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.methods.attention_method import AttentionMethod

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class FastVMax(AttentionMethod):
    """Drop the visual tokens that no head of the last prompt token attends to much in layer ``k - 1``.

    The score is the largest of the heads' weights, where ``fastv`` takes their mean: a token that one head looks at
    stays. A variant of FastV that its paper does not have, and a method of its own because links, records and command
    lines name methods. See ``Method`` for the parameters.
    """

    name = "fastv_max"
    label = "FastV, maximum over heads"
    phrase = "by the strongest head's attention of the last prompt token"
    paper = "arXiv 2403.06764"

    def attention(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import last_token_peak_attention

        assert signals.attention is not None
        return last_token_peak_attention(*signals.attention)
