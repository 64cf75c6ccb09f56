"""FastV's ranking by the question: attention averaged over the text after the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.methods.attention_method import AttentionMethod

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class QuestionTokens(AttentionMethod):
    """Drop the visual tokens that the question's own tokens together attend to least in layer ``k - 1``.

    Those are all text tokens after the prompt's last visual token: the question, and what a chat template puts after
    it. Every one of them sees every visual token, so that none is favoured for its place, as in ``fastv_mean``. A
    variant of FastV that its paper does not have. See ``Method`` for the parameters.
    """

    name = "question_tokens"
    label = "FastV, question's tokens"
    phrase = "by the mean attention of the question's tokens"
    paper = "arXiv 2403.06764"

    def queries(self, text: int, visual: int) -> int:
        return text  # no more than that: what stands before the picture does not count

    def attention(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import mean_attention

        assert signals.attention is not None
        first = prompt.question.shape[1] - prompt.question_length
        return mean_attention(*signals.attention, prompt.question, first=first)
