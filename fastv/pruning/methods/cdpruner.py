"""CDPruner: keep visual tokens that fit the question and are unlike each other (arXiv 2506.10967)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import EMBEDDINGS
from fastv.validation import fraction

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class CDPruner(Method):
    """Keep, before decoder layer 0, the set of visual tokens that a determinantal point process finds most likely.

    Its kernel is ``diag(q) S diag(q)``: S holds the cosines of what the decoder is given, q the relevance of each token
    to the question, scaled to 0 ... 1 in each prompt. The set grows by the token that makes the determinant largest.

    Relevance is the mean cosine of a visual token to the embeddings of the text after the picture, as OpenVINO GenAI
    does it for models without CLIP's text tower. The paper uses CLIP's own similarity of patch and text, and *negates*
    it: in CLIP, patches of what the text names are the least similar to it. In a decoder's input that is not so, and
    the sign is plus.

    Parameters
    ----------
    theta : float, optional
        How much relevance counts against diversity, 0 to 1. 1, the default, is the paper's kernel, in which the least
        relevant token never stays; below it q is ``exp(theta / (2 (1 - theta)) q)``, and for 0 there is no relevance.
    k, r, seed, keep_ratio, keep, per
        See ``Method``; ``k`` is always 0.

    References
    ----------
    Zhang et al., "Beyond Attention or Similarity: Maximizing Conditional Diversity for Token Pruning in MLLMs",
    NeurIPS 2025, arXiv 2506.10967.
    """

    name = "cdpruner"
    label = "CDPruner"
    phrase = "so that they fit the question and differ from each other"
    paper = "arXiv 2506.10967"
    signals = (EMBEDDINGS,)
    cuts = "before decoder layer 0"
    limits = (
        "Relevance is by the decoder's embeddings in place of CLIP's text tower. Chooses one token after the other."
    )
    takes_k = False
    default_k = 0

    theta: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "theta", fraction(self.theta, "theta", error=InvalidBudgetError))

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        from fastv.pruning.per_image import in_each_image
        from fastv.pruning.scorers.greedy import determinant_first
        from fastv.pruning.scorers.similarity import gathered, mean_similarity, unit_vectors

        embeddings = signals.embeddings
        assert embeddings is not None
        units = unit_vectors(gathered(embeddings, prompt.positions))
        first = embeddings.shape[1] - prompt.question_length
        similarity = mean_similarity(units, embeddings[:, first:], prompt.question[:, first:])

        def choose(absent: Tensor, keep: Tensor) -> Tensor:
            quality = self._quality(similarity, absent)
            return determinant_first(units * quality[..., None], quality, absent, keep)

        return Choice(in_each_image(prompt, choose))

    def _quality(self, similarity: Tensor, absent: Tensor) -> Tensor:
        """float32 (batch, n_visual): 0 to 1 for the default ``theta``; 1 where all are as relevant, 0 where absent."""
        import torch

        low = similarity.masked_fill(absent, float("inf")).amin(dim=1, keepdim=True)
        high = similarity.masked_fill(absent, float("-inf")).amax(dim=1, keepdim=True)
        scaled = torch.where(high > low, (similarity - low) / (high - low), 1.0)
        if self.theta < 1:
            scaled = (self.theta / (2 * (1 - self.theta)) * scaled).exp()
        return scaled.masked_fill(absent, 0.0)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Of the cosines of all pairs, and of the Cholesky factor's rows."""
        return 2.0 * visual**2 * decoder.width + float(self.kept_of(visual) ** 2 * visual)
