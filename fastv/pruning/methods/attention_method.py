"""What methods that rank by one decoder layer's attention have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fastv.pruning.methods.base import Method
from fastv.pruning.signals import ATTENTION

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class AttentionMethod(Method):
    """Ranks by attention in layer ``k - 1``. With ``k = 0`` there is none yet, and the choice is drawn by ``seed``."""

    signals: ClassVar[tuple[str, ...]] = (ATTENTION,)
    cuts: ClassVar[str] = "on entering decoder layer K"
    limits: ClassVar[str] = "K = 0 selects at random: there is no attention before layer 0."

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import random_scores

        if signals.attention is None and signals.unrotated is None:
            return random_scores(prompt.counts, self.seed).to(prompt.positions.device)
        attention = self.attention(prompt, signals).to(prompt.positions.device)
        return attention.gather(1, prompt.positions.clamp(min=0))

    def queries(self, text: int, visual: int) -> int:
        """How many of a prompt's tokens it is whose attention ranks."""
        return 1

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of the products of those tokens' queries with all keys."""
        if self.k == 0:
            return 0.0
        return (
            2.0
            * self.queries(text, visual)
            * (text + visual)
            * decoder.heads
            * decoder.layer(max(self.k - 1, 0)).head_dim
        )

    def attention(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        """How much each position of the prompt is attended to: float32 (batch, n)."""
        raise NotImplementedError(f"{type(self).__name__} does not define attention.")
