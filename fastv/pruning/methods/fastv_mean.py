"""FastV as its paper's text has it: attention averaged over all prompt tokens instead of the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.methods.attention_method import AttentionMethod

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class FastVMean(AttentionMethod):
    """Drop the visual tokens that all prompt tokens together attend to least in layer ``k - 1``.

    A token that stands before a position gives it 0, padding is left out. See ``Method`` for the parameters.

    References
    ----------
    Chen et al., "An Image is Worth 1/2 Tokens After Layer 2", ECCV 2024, arXiv 2403.06764, section 4.
    """

    name = "fastv_mean"
    label = "FastV, mean over tokens"
    phrase = "by the mean attention of all prompt tokens"
    paper = "arXiv 2403.06764"

    def queries(self, text: int, visual: int) -> int:
        return text + visual

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of all queries with all keys, also those that follow a query, and of the sum over queries."""
        if self.k == 0:
            return 0.0
        return super().own_flops(decoder, text, visual) + 2.0 * decoder.heads * (text + visual) ** 2

    def attention(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import mean_attention

        assert signals.attention is not None
        return mean_attention(*signals.attention, prompt.real)
