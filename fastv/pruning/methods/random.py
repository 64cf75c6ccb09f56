"""Dropping at random: the opponent that every method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.methods.base import Method

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class RandomTokens(Method):
    """Keep visual tokens drawn at random by ``seed``, uniformly; each row of a batch draws as it would alone.

    See ``Method`` for the parameters.
    """

    name = "random"
    label = "Random"
    phrase = "at random"
    paper = ""
    signals = ()
    cuts = "on entering decoder layer K"
    limits = "Ignores both image and question."

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import random_scores

        return random_scores(prompt.counts, self.seed).to(prompt.positions.device)
