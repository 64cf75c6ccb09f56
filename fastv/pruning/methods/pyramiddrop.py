"""PyramidDrop: drop in several steps, the deeper the more (arXiv 2410.17247)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.methods.base import Method
from fastv.pruning.signals import OWN_ATTENTION

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals

_CUTS = 3


@dataclass(frozen=True)
class PyramidDrop(Method):
    """Drop visual tokens on entering the layers at a quarter, half and three quarters of the decoder's depth.

    Each cut keeps the same fraction of what it finds, so that the amount is what is left after the last one: 1/2, 1/4
    and 1/8 of the prompt's for ``keep_ratio=1/8``, as in the paper. Tokens are ranked by the attention that the
    prompt's last token pays to them in the very layer that is entered, whose norm and projections of queries and keys
    run for it beforehand, averaged over heads; the layer then takes the keys of the tokens that stay from there. See
    ``Method`` for the parameters; there is no choice of ``k``.

    References
    ----------
    Xing et al., "PyramidDrop: Accelerating Your Large Vision-Language Models via Pyramid Visual Redundancy Reduction",
    CVPR 2025, arXiv 2410.17247.
    """

    name = "pyramiddrop"
    label = "PyramidDrop"
    phrase = "in three steps, by the attention of the last prompt token"
    paper = "arXiv 2410.17247"
    signals = (OWN_ATTENTION,)
    cuts = "on entering the layers at 1/4, 1/2 and 3/4 of the depth"
    limits = "Needs a decoder of at least 4 layers. Three layers compute the keys of tokens that are then dropped."
    takes_k = False
    default_k = 0

    def schedule(self, depth: int) -> tuple[int, ...]:
        return tuple(depth * step // (_CUTS + 1) for step in range(1, _CUTS + 1))

    def kept_at(self, cut: int, count: int, cuts: int) -> int:
        last = self.kept_of(count)
        return last if cut == cuts - 1 or not count else round(count * (last / count) ** ((cut + 1) / cuts))

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import last_token_attention

        assert signals.own_attention is not None
        attention = last_token_attention(*signals.own_attention).to(prompt.positions.device)
        return attention.gather(1, prompt.positions.clamp(min=0))

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Keys of the tokens that are dropped, the last token's query, and its product with all keys, at each cut."""
        found = [visual, *(self.kept_at(cut, visual, _CUTS) for cut in range(_CUTS))]
        flops = 0.0
        for number, before, after in zip(self.schedule(decoder.layers), found, found[1:], strict=False):
            layer = decoder.layer(number)
            keys = float(before - after) * layer.width * layer.kv_heads * layer.head_dim
            query = layer.width * layer.heads * layer.head_dim
            flops += 2.0 * (keys + query + (text + before) * layer.heads * layer.head_dim)
        return flops
