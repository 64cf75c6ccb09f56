"""V2Drop: drop, in three steps, the visual tokens that a layer changes least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import EARLIER_STATES, STATES

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals

#: On entering which layers of how many the authors cut LLaVA-1.5-7B. The first is 3 in their decoder of 28 layers, too.
_FIRST, _LATER, _DEPTH = 3, (17, 22), 32


@dataclass(frozen=True)
class V2Drop(Method):
    """Drop, at three layers, the visual tokens whose hidden states the layer before changed least.

    The score is the Euclidean length of the change. The first cut is the authors', on entering layer 3; the later ones
    are those of their code for 32 layers (17 and 22) in proportion to the depth, and the first comes before them where
    the decoder is shallow. The first leaves half of the tokens and the second a quarter, where that is more than the
    amount asked for, which is what is left after the last; with ``keep=1`` they are the authors' own. See ``Method``
    for the parameters; there is no choice of ``k``.

    References
    ----------
    Chen et al., "Variation-aware Vision Token Dropping for Faster Large Vision-Language Models", CVPR 2026,
    arXiv 2509.01552.
    """

    name = "v2drop"
    label = "V2Drop"
    phrase = "in three steps, by how much a layer changes them"
    paper = "arXiv 2509.01552"
    signals = (STATES, EARLIER_STATES)
    cuts = "on entering layer 3 and the layers that are to the depth as 17 and 22 are to 32"
    limits = "Ignores the question, except for what the layers do. Needs a decoder of at least 2 layers."
    takes_k = False
    default_k = 0

    def schedule(self, depth: int) -> tuple[int, ...]:
        if depth < 2:
            raise InvalidBudgetError(f"{self.label} compares two layers, and this decoder has {depth}.")
        later = {min(max(round(layer * depth / _DEPTH), 1), depth - 1) for layer in _LATER}
        return tuple(sorted({min(_FIRST, max(min(later) - 1, 1)), *later}))

    def kept_at(self, cut: int, count: int, cuts: int) -> int:
        kept = self.kept_of(count)
        return kept if cut == cuts - 1 else max(kept, count // 2 ** (cut + 1))

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers.similarity import gathered

        assert signals.states is not None and signals.earlier_states is not None
        now, before = (
            gathered(states, prompt.positions).float() for states in (signals.states, signals.earlier_states)
        )
        return (now - before).norm(dim=2)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of the lengths of all differences."""
        cuts = 1 + len(_LATER)
        there = [visual, *(self.kept_at(cut, visual, cuts) for cut in range(cuts - 1))]
        return 3.0 * sum(there) * decoder.width
