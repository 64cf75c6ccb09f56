"""Average pooling of the picture: the simplest way to merge visual tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import STATES

if TYPE_CHECKING:
    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class Pooling(Method):
    """Cut the picture into as many even cells as tokens are to stay, and average each cell's hidden states.

    A quarter of the tokens of a picture with even sides is 2 x 2 pooling. The average goes on at the place of the
    token in the middle of its cell: the lattice of ``grid``, which keeps that token itself. Visual features that some
    models add after their first layers are not averaged. See ``Method`` for the parameters.
    """

    name = "pooling"
    label = "Pooling"
    phrase = "as averages of the image's even cells"
    paper = ""
    signals = (STATES,)
    cuts = "on entering decoder layer K"
    limits = "Ignores the question. Needs images whose rows and columns are known, and all of their tokens."
    default_k = 0
    needs_places = True

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        import torch

        from fastv.pruning.picture_cells import picture_cells
        from fastv.pruning.scorers.similarity import gathered

        assert signals.states is not None
        cells = picture_cells(prompt, self.label)
        states = gathered(signals.states, prompt.positions.to(signals.states.device)).float()
        bins = (cells.number + 1).to(states.device)  # 0: of tokens in no cell
        sizes = torch.zeros_like(bins, dtype=torch.float32).new_zeros(len(bins), bins.shape[1] + 1)
        sizes.scatter_add_(1, bins, torch.ones_like(bins, dtype=torch.float32))
        index = bins[..., None].expand_as(states)
        sums = states.new_zeros(len(bins), bins.shape[1] + 1, states.shape[2]).scatter_add_(1, index, states)
        weights = sizes.gather(1, bins)
        means = sums.gather(1, index) / weights[..., None]
        return Choice(cells.is_middle, states=means.to(signals.states.dtype), weights=weights)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        return float(visual * decoder.width)
