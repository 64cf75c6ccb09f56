"""DivPrune: keep visual tokens that are unlike each other (arXiv 2503.02175)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import EMBEDDINGS

if TYPE_CHECKING:
    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class DivPrune(Method):
    """Keep, before decoder layer 0, a set of visual tokens whose smallest distance is large.

    The distance of two tokens is 1 - cosine of what the decoder is given. The first token is the one farthest from its
    nearest neighbour, each further one the farthest from those chosen. Kept tokens stay in their order, as in the
    authors' release; the numbers in their paper were made with the tokens in the order of choice. The question plays no
    part. See ``Method`` for the parameters; ``k`` is always 0.

    References
    ----------
    Alvar et al., "DivPrune: Diversity-based Visual Token Pruning for Large Multimodal Models", CVPR 2025,
    arXiv 2503.02175.
    """

    name = "divprune"
    label = "DivPrune"
    phrase = "so that they differ from each other most"
    paper = "arXiv 2503.02175"
    signals = (EMBEDDINGS,)
    cuts = "before decoder layer 0"
    limits = "Ignores the question. Chooses one token after the other, which takes time where many stay."
    takes_k = False
    default_k = 0

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        from fastv.pruning.per_image import in_each_image
        from fastv.pruning.scorers.greedy import farthest_first
        from fastv.pruning.scorers.similarity import gathered, unit_vectors

        assert signals.embeddings is not None
        units = unit_vectors(gathered(signals.embeddings, prompt.positions))
        return Choice(in_each_image(prompt, partial(farthest_first, units)))

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of the cosines of all pairs."""
        return 2.0 * visual**2 * decoder.width
