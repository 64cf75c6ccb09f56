"""DART: keep the visual tokens that are least like a few pivots (arXiv 2502.11494)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import ATTENTION, STATES
from fastv.validation import whole

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class DART(Method):
    """Drop, on entering layer ``k``, visual tokens that duplicate others.

    Pivots are the visual tokens, and the text tokens after the picture, with the largest L1 norm of layer ``k - 1``'s
    keys. Visual pivots stay. In turn, strongest and visual ones first, each pivot takes the tokens whose hidden states
    on entering layer ``k`` have the lowest cosine to its own, all pivots equally many. With ``k = 0``, before there are
    keys, the norm is that of what the decoder is given.

    Exactly as many tokens stay as asked for; the authors' code rounds each pivot's share down and adds the visual
    pivots. It also applies the decoder's last norm to the states first, whose weights are left out here.

    Parameters
    ----------
    pivots : int, optional
        How many there are of either kind.
    k, r, seed, keep_ratio, keep, per
        See ``Method``.

    References
    ----------
    Wen et al., "Stop Looking for Important Tokens in Multimodal Language Models: Duplication Matters More", EMNLP 2025,
    arXiv 2502.11494.
    """

    name = "dart"
    label = "DART"
    phrase = "so that they are least like a few pivots"
    paper = "arXiv 2502.11494"
    signals = (ATTENTION, STATES)
    cuts = "on entering decoder layer K"
    limits = (
        "Looks at the question only through a few of its tokens. Leaves out the weights of the decoder's last norm."
    )

    pivots: int = field(default=4, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "pivots", whole(self.pivots, "pivots", low=1, error=InvalidBudgetError))

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        from fastv.pruning.per_image import in_each_image
        from fastv.pruning.scorers.pivots import least_like_pivots
        from fastv.pruning.scorers.similarity import gathered, unit_vectors

        states = signals.states
        assert states is not None
        norms = states if signals.attention is None else signals.attention.key.transpose(1, 2).flatten(2)
        strength = norms.float().abs().sum(dim=2)
        first = states.shape[1] - prompt.question_length
        text = unit_vectors(states[:, first:])
        text_strength = strength[:, first:].masked_fill(~prompt.question[:, first:], float("-inf"))
        units = unit_vectors(gathered(states, prompt.positions))
        own_strength = strength.gather(1, prompt.positions.clamp(min=0))

        def choose(absent: Tensor, keep: Tensor) -> Tensor:
            return least_like_pivots(units, own_strength, absent, text, text_strength, keep, self.pivots)

        return Choice(in_each_image(prompt, choose))

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of the cosines of all visual tokens to all pivots."""
        return 2.0 * 2 * self.pivots * visual * decoder.width
