"""SCOPE: keep salient visual tokens that together stand for all others (arXiv 2510.24214)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.fastervlm import tower_saliency
from fastv.pruning.signals import EMBEDDINGS, TOWER
from fastv.validation import real

if TYPE_CHECKING:
    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class Scope(Method):
    """Keep, before decoder layer 0, a set of visual tokens that covers the picture, salient ones first.

    A token is covered by the set as well as the largest cosine between it and one of the set tells, at least 0. In turn
    the token stays whose addition raises the sum over all tokens most, times its saliency to the power of ``alpha``:
    the attention that it gets in the vision tower (see ``FasterVLM``). The question plays no part. See ``Method`` for
    the other parameters; ``k`` is always 0.

    The authors compare the tower's features, before the projector; here what the projector made of them is compared, so
    that it works on every family.

    Parameters
    ----------
    alpha : float
        How much saliency counts, at least 0: for 0 coverage alone decides. 1 in the authors' runs.

    References
    ----------
    Deng et al., "SCOPE: Saliency-Coverage Oriented Token Pruning for Efficient Multimodal LLMs", NeurIPS 2025,
    arXiv 2510.24214.
    """

    name = "scope"
    label = "SCOPE"
    phrase = "so that they cover the image, those the vision tower attends to first"
    paper = "arXiv 2510.24214"
    signals = (TOWER, EMBEDDINGS)
    cuts = "before decoder layer 0"
    limits = (
        "Ignores the question. Compares what the projector made, where the paper compares what it is given. Towers "
        "without a class token: mean attention takes its place."
    )
    takes_k = False
    default_k = 0

    alpha: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", real(self.alpha, "alpha", low=0, error=InvalidBudgetError))

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        from fastv.pruning.per_image import in_each_image
        from fastv.pruning.scorers.greedy import coverage_first
        from fastv.pruning.scorers.similarity import gathered, unit_vectors

        assert signals.embeddings is not None
        units = unit_vectors(gathered(signals.embeddings, prompt.positions))
        saliency = tower_saliency(prompt, signals) ** self.alpha
        return Choice(in_each_image(prompt, partial(coverage_first, units, saliency)))

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of the cosines of all pairs, and of what each token that stays takes off the gains: it covers better what
        would be its share of all tokens if every one that stays covered as many.
        """
        better = sum(visual / step for step in range(1, self.kept_of(visual) + 1))
        return 2.0 * visual**2 * decoder.width + 4.0 * visual * better
