"""SparseVLM: rank by the question's words that look at the picture, and recycle what is dropped (arXiv 2410.04417)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import ATTENTION, EMBEDDINGS, STATES

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals

#: Of 576 visual tokens, those left after each cut in the authors' settings named 64, 128 and 192, by the last.
_PUBLISHED = ((0, 0, 0), (66, 30, 17), (303, 110, 36), (300, 200, 110), (576, 576, 576))
_PUBLISHED_COUNT, _PUBLISHED_LAYERS, _PUBLISHED_DEPTH = 576, (2, 6, 15), 32


@dataclass(frozen=True)
class SparseVLM(Method):
    """Drop visual tokens at three layers by the attention of the question's words that are about the picture.

    Those words, the raters, are the text tokens after the picture whose embeddings its tokens resemble more than
    average. At each cut visual tokens are ranked by the raters' mean attention in the layer before. Of those that
    rank too low the best 30% are recycled: clustered by density peaks, and each cluster stays as one token, the mean
    of its members, at the place of its centre.

    How much each cut keeps is interpolated between the authors' three published settings, so that the amount is what
    is left after the last cut, recycled tokens included. Positions are kept, as in the authors' later version; their
    first one closes the gaps (``positions="close"``). See ``Method`` for the other parameters; there is no choice of
    ``k``.

    Parameters
    ----------
    recycle : bool
        Whether dropped tokens are recycled, as in the paper; the authors' later version does not.

    References
    ----------
    Zhang et al., "SparseVLM: Visual Token Sparsification for Efficient Vision-Language Model Inference", ICML 2025,
    arXiv 2410.04417.
    """

    name = "sparsevlm"
    label = "SparseVLM"
    phrase = "in three steps, by the attention of the question's words about the image"
    paper = "arXiv 2410.04417"
    signals = (EMBEDDINGS, ATTENTION, STATES)
    cuts = "on entering the layers that are to the depth as 2, 6 and 15 are to 32"
    limits = "Needs a decoder of at least 4 layers."
    takes_k = False
    default_k = 0

    recycle: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.recycle, bool):
            raise InvalidBudgetError(f"recycle is True or False, not {self.recycle!r}.")

    def schedule(self, depth: int) -> tuple[int, ...]:
        layers: list[int] = []
        for layer in _PUBLISHED_LAYERS:  # each after another layer, whose attention it ranks by
            layers.append(max(round(depth * layer / _PUBLISHED_DEPTH), layers[-1] + 1 if layers else 1))
        return tuple(layers)

    def kept_at(self, cut: int, count: int, cuts: int) -> int:
        last = self.kept_of(count)
        return max(last, interpolated(last, count)[cut]) if count else 0

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        import torch

        from fastv.pruning.scorers.density_peaks import cluster_means, density_peaks

        if not self.recycle:
            return super().select(prompt, signals)
        scores = self.score(prompt, signals).masked_fill(prompt.positions < 0, float("-inf"))
        assert signals.states is not None
        visual = prompt.positions.clamp(min=0)[..., None].expand(-1, -1, signals.states.shape[2])
        states = signals.states.gather(1, visual).clone()
        chosen, weights = torch.zeros_like(prompt.positions, dtype=torch.bool), torch.ones_like(scores)
        for part in prompt.parts():
            row, (ranked, pool, clusters) = part.row, split_budget(part.keep, part.tokens)
            order = part.start + scores[row, part.slice].argsort(descending=True, stable=True)
            chosen[row, order[:ranked]] = True
            if clusters:
                recycled = order[ranked : ranked + pool].sort().values
                centres, members = density_peaks(states[row, recycled], clusters)
                means, sizes = cluster_means(states[row, recycled], members, clusters)
                chosen[row, recycled[centres]] = True
                states[row, recycled[centres]], weights[row, recycled[centres]] = means, sizes
        return Choice(chosen, None, states, weights)

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        import torch

        from fastv.pruning.scorers import mean_attention

        assert signals.attention is not None
        tail = prompt.question_length
        if "raters" not in prompt.memory:  # chosen once, while no token is missing
            prompt.memory["raters"] = self._raters(prompt, signals)
        raters = torch.zeros_like(prompt.question)
        raters[:, raters.shape[1] - tail :] = prompt.memory["raters"].to(raters.device)
        query, key, mask, scaling = signals.attention
        attention = mean_attention(query, key, mask, scaling, raters, first=raters.shape[1] - tail)
        return attention.to(prompt.positions.device).gather(1, prompt.positions.clamp(min=0))

    def _raters(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        """Of the prompt's last ``question_length`` columns those whose attention counts: boolean (batch, that many)."""
        from fastv.pruning.scorers.raters import raters_of

        assert signals.embeddings is not None
        embeddings = signals.embeddings
        positions = prompt.positions.to(embeddings.device)
        tail = embeddings.shape[1] - prompt.question_length
        visual = embeddings.gather(1, positions.clamp(min=0)[..., None].expand(-1, -1, embeddings.shape[2]))
        question = prompt.question[:, tail:].to(embeddings.device)
        return raters_of(visual, positions >= 0, embeddings[:, tail:], question)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Likeness of words and picture once, the raters' rows of attention and the clusters' distances at each cut.

        All text is taken for raters' candidates, and half of it for raters.
        """
        flops, found = 2.0 * text * visual * decoder.width, visual
        for cut, layer in enumerate(self.schedule(decoder.layers)):
            flops += 2.0 * (text / 2) * (text + found) * decoder.heads * decoder.layer(layer - 1).head_dim
            keep = self.kept_at(cut, visual, len(_PUBLISHED_LAYERS))
            if self.recycle and keep < found:
                flops += 3.0 * split_budget(keep, found)[1] ** 2 * decoder.width
            found = keep
        return flops


def interpolated(last: int, count: int) -> tuple[int, ...]:
    """How many of ``count`` tokens each cut leaves so that ``last`` stay in the end, between published settings."""
    wanted = last * _PUBLISHED_COUNT / count
    upper = min(bisect_right([setting[-1] for setting in _PUBLISHED], wanted), len(_PUBLISHED) - 1)
    low, high = _PUBLISHED[upper - 1], _PUBLISHED[upper]
    share = (wanted - low[-1]) / (high[-1] - low[-1])
    found = [round((a + share * (b - a)) * count / _PUBLISHED_COUNT) for a, b in zip(low[:-1], high[:-1])]
    found = [min(count, max(kept, last)) for kept in found]
    return (*(min(found[: cut + 1]) for cut in range(len(found))), last)


def split_budget(keep: int, count: int) -> tuple[int, int, int]:
    """How a cut that leaves ``keep`` of ``count`` tokens divides them.

    Returns
    -------
    ranked : int
        How many stay as they are, by rank.
    pool : int
        How many of the next in rank are recycled: 30% of those dropped.
    clusters : int
        Into how many tokens: a tenth of the pool and one more, as long as there is room for them.
    """
    for ranked in range(keep, -1, -1):
        pool = (count - ranked) * 3 // 10
        clusters = pool // 10 + 1 if pool else 0
        if ranked + clusters <= keep:  # never less: a token less by rank makes at most one cluster more
            return ranked, pool if clusters else 0, clusters
    return keep, 0, 0
