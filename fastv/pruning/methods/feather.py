"""FEATHER: FastV without rotary positions, in two steps, with an even sample of the picture (arXiv 2412.13180)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import UNROTATED
from fastv.validation import whole

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals

_CUTS = 2


@dataclass(frozen=True)
class Feather(Method):
    """Drop visual tokens on entering the layers at a quarter and at half of the decoder's depth.

    They are ranked by the attention that the last prompt token would pay to them in the layer before without rotary
    positions, which favour what stands last in the prompt, the bottom of the picture; the softmax is over visual
    tokens alone, averaged over heads. Both cuts keep the same fraction by rank, so that the amount is what is left
    after the second: 30% and 9% in the authors' setting, ``keep_ratio=0.09``. At the first cut every ``stride``-th row
    and column of each picture stays as well.

    How many the ranking and that lattice have in common is known only when both are; here the first cut keeps as many
    tokens as there would be if they were independent, the lattice first and then by rank. See ``Method`` for the other
    parameters; there is no choice of ``k``.

    Parameters
    ----------
    stride : int
        Of the rows and columns that stay at the first cut; 3 in the paper's setting.

    References
    ----------
    Endo et al., "Feather the Throttle: Revisiting Visual Token Pruning for Vision-Language Model Acceleration",
    ICCV 2025, arXiv 2412.13180.
    """

    name = "feather"
    label = "FEATHER"
    phrase = "in two steps, by attention without rotary positions, after an even sample of the image"
    paper = "arXiv 2412.13180"
    signals = (UNROTATED,)
    cuts = "on entering the layers at 1/4 and 1/2 of the depth"
    limits = "Needs a decoder of at least 3 layers, and images whose rows and columns are known."
    takes_k = False
    default_k = 0
    needs_places = True

    stride: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "stride", whole(self.stride, "stride", low=1, error=InvalidBudgetError))

    def schedule(self, depth: int) -> tuple[int, ...]:
        return max(1, depth // 4), max(2, depth // 2)

    def kept_at(self, cut: int, count: int, cuts: int) -> int:
        last = self.kept_of(count)
        if cut == cuts - 1 or not count:
            return last
        ranked = (count * last) ** 0.5
        return round(ranked + (count - ranked) / self.stride**2)

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        if prompt.cut > 0:
            return super().select(prompt, signals)
        from fastv.pruning.scorers import highest, highest_per_image

        scores = self.score(prompt, signals).masked_fill(prompt.positions < 0, float("-inf"))
        rank = scores.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        first = -(rank + rank.shape[1] * ~self._lattice(prompt)).float()
        told = scores + self._lattice(prompt).float()  # attention is at most 1
        if prompt.keep_per_image is not None:
            return Choice(highest_per_image(first, prompt.images, prompt.keep_per_image), told)
        return Choice(highest(first.masked_fill(prompt.positions < 0, float("-inf")), prompt.keep), told)

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers.picture_keys import picture_attention

        assert signals.unrotated is not None
        query, key, _, scaling = signals.unrotated
        return picture_attention(query, key, scaling, prompt.positions.to(key.device)).to(prompt.positions.device)

    def _lattice(self, prompt: PromptTokens) -> Tensor:
        """Boolean (batch, n_visual): tokens on every ``stride``-th row and column."""
        places = prompt.places
        if places is None:
            raise UnsupportedModelError(
                "FEATHER keeps every so-manieth row and column of an image, and where the visual tokens of this model "
                "stand in it is not known."
            )
        rows, columns = places[..., 1], places[..., 2]
        return (rows >= 0) & (rows % self.stride == 0) & (columns % self.stride == 0)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """One query's products with the visual tokens' keys at each cut, and the rotation undone."""
        found = [visual, self.kept_at(0, visual, _CUTS)]
        widths = [decoder.layer(layer - 1).head_dim for layer in self.schedule(decoder.layers)]
        return 2.0 * decoder.heads * sum(count * width for count, width in zip(found, widths, strict=True))
