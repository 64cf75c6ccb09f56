"""VisPruner: half of the tokens by the tower's attention, half by leaving out duplicates (arXiv 2412.01818v2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.fastervlm import tower_saliency
from fastv.pruning.signals import STATES, TOWER
from fastv.validation import fraction

if TYPE_CHECKING:
    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class VisPruner(Method):
    """Keep, before decoder layer 0, tokens that the vision tower finds salient, and beside them tokens unlike others.

    A share of the budget goes to the tokens with the most attention in the tower (see ``FasterVLM``). Of the rest,
    taken in the order of that attention, every other one is compared with those between, and the eight most similar
    ones are dropped, again and again until the budget is met. The question plays no part. See ``Method`` for the other
    parameters; ``k`` is always 0.

    Parameters
    ----------
    salient : float
        The share of the kept tokens that attention chooses, 0 to 1.

    References
    ----------
    Zhang et al., "Beyond Text-Visual Attention: Exploiting Visual Cues for Effective Token Pruning in VLMs", ICCV 2025,
    arXiv 2412.01818, second version.
    """

    name = "vispruner"
    label = "VisPruner"
    phrase = "by the vision tower's attention and by their difference from each other"
    paper = "arXiv 2412.01818v2"
    signals = (TOWER, STATES)
    cuts = "before decoder layer 0"
    limits = "Ignores the question. Towers without a class token: mean attention takes its place."
    takes_k = False
    default_k = 0

    salient: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "salient", fraction(self.salient, "salient", error=InvalidBudgetError))

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        import torch

        from fastv.pruning.scorers.deduplication import salient_and_distinct

        assert signals.states is not None
        attention = tower_saliency(prompt, signals)
        chosen = torch.zeros_like(attention, dtype=torch.bool)
        for part in prompt.parts():
            features = signals.states[part.row, prompt.positions[part.row, part.slice]]
            kept = salient_and_distinct(attention[part.row, part.slice], features, part.keep, self.salient)
            chosen[part.row, part.start + kept] = True
        return Choice(chosen)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """One product of all tokens with each other. That of the tower's attention is counted with the signal."""
        return 2.0 * visual**2 * decoder.width
