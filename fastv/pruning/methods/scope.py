"""SCOPE: keep salient visual tokens that together stand for all others (arXiv 2510.24214)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.fastervlm import tower_saliency
from fastv.pruning.signals import EMBEDDINGS, TOWER
from fastv.validation import real

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals

#: How many tokens' gains are computed at a time.
_BLOCK = 16


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
        import torch

        from fastv.pruning.per_image import in_each_image
        from fastv.pruning.scorers.similarity import gathered, unit_vectors

        assert signals.embeddings is not None
        units = unit_vectors(gathered(signals.embeddings, prompt.positions))
        saliency = (tower_saliency(prompt, signals) ** self.alpha).to(units.device)

        def choose(absent: Tensor, keep: Tensor) -> Tensor:
            chosen = torch.zeros_like(absent)
            for row, count in enumerate(keep.tolist()):
                there = (~absent[row]).nonzero()[:, 0].to(units.device)
                picks = covering(units[row, there], saliency[row, there], count)
                chosen[row, there[picks].to(chosen.device)] = True
            return chosen

        return Choice(in_each_image(prompt, choose))

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of the cosines of all pairs; at least one block of gains is computed for each token that stays."""
        return 2.0 * visual**2 * decoder.width + 3.0 * _BLOCK * visual * self.kept_of(visual)


def covering(units: Tensor, saliency: Tensor, keep: int) -> Tensor:
    """Which tokens stay: long (keep,), in the order of choice. Of equal gains the earlier token's counts.

    A gain never grows, so one computed for a smaller set bounds it: only those that may be the largest are computed
    anew. The values are read: this waits for the device.

    Parameters
    ----------
    units : Tensor
        float32 (n, width), of length 1.
    saliency : Tensor
        float32 (n,), not negative.
    keep : int
        At most n.
    """
    import torch

    similarity = units @ units.T
    covered = units.new_zeros(len(units))
    bounds = similarity.relu().sum(dim=1) * saliency
    picks = torch.empty(keep, dtype=torch.long, device=units.device)
    for step in range(keep):
        known = torch.zeros_like(bounds, dtype=torch.bool) if step else torch.ones_like(bounds, dtype=torch.bool)
        best = bounds.argmax()
        while not known[best]:
            some = bounds.masked_fill(known, float("-inf")).topk(min(_BLOCK, len(bounds))).indices
            gains = (similarity.index_select(0, some) - covered).relu_().sum(dim=1) * saliency[some]
            bounds[some] = torch.minimum(gains, bounds[some])  # those chosen stay at -inf
            known[some] = True
            best = bounds.argmax()
        picks[step] = best
        bounds[best] = float("-inf")
        covered = torch.maximum(covered, similarity[best])
    return picks
