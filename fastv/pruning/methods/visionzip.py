"""VisionZip: keep what the tower attends to, and merge the rest into a few tokens (arXiv 2412.04467)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.fastervlm import tower_saliency
from fastv.pruning.signals import STATES, TOWER
from fastv.validation import fraction

if TYPE_CHECKING:
    from fastv.families.shapes import DecoderShape, VisionShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class VisionZip(Method):
    """Keep, before decoder layer 0, the tokens the vision tower attends to most, and merge the others into the rest.

    Most of the budget goes to the "dominant" tokens, those with the most attention in the tower (see ``FasterVLM``).
    Of the others evenly spread "contextual" ones stay, and each that goes is given to the contextual one whose key in
    the tower is most like its own: the mean of what a contextual token is given is added to it. The question plays no
    part. See ``Method`` for the other parameters; ``k`` is always 0.

    The paper merges the tower's features, before the projector; here what the projector made of them is merged, so
    that it works on every family. A merged token stands at its own place, as in the authors' code for Qwen2.5-VL.

    Parameters
    ----------
    contextual : float
        The share of the kept tokens that others are merged into, 0 to 1; the paper's is 10 of 64.

    References
    ----------
    Yang et al., "VisionZip: Longer is Better but Not Necessary in Vision Language Models", CVPR 2025, arXiv 2412.04467.
    """

    name = "visionzip"
    label = "VisionZip"
    phrase = "by the vision tower's attention, and others merged into some of them"
    paper = "arXiv 2412.04467"
    signals = (TOWER, STATES)
    cuts = "before decoder layer 0"
    limits = (
        "Ignores the question. Merges after the projector, where the paper does before. Towers without a class token: "
        "mean attention takes its place."
    )
    takes_k = False
    default_k = 0

    contextual: float = field(default=10 / 64, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "contextual", fraction(self.contextual, "contextual", error=InvalidBudgetError))

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        import torch

        from fastv.pruning.scorers.contextual_merging import DOMINANT, contextual_groups, merged

        assert signals.states is not None and signals.tower is not None
        attention = tower_saliency(prompt, signals)
        chosen = torch.zeros_like(attention, dtype=torch.bool)
        states = signals.states.gather(
            1, prompt.positions.clamp(min=0)[..., None].expand(-1, -1, signals.states.shape[2])
        ).clone()
        weights = torch.ones_like(attention)
        for part in prompt.parts():
            row, those = part.row, part.slice
            if part.keep == part.tokens:
                chosen[row, those] = True
                continue
            keys = signals.tower.keys[row, those].float().unflatten(-1, (signals.tower.heads, -1)).mean(dim=-2)
            contextual = round(part.keep * self.contextual)
            targets, group = contextual_groups(attention[row, those], keys.to(states.device), part.keep, contextual)
            chosen[row, those] = group == DOMINANT
            at = part.start + targets
            chosen[row, at] = True
            states[row, at], weights[row, at] = merged(states[row, those], targets, group)
        return Choice(chosen, scores=None, states=states, weights=weights)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """The merged means. What is looked at in the tower, and the products of its keys, is counted with that."""
        return 2.0 * (visual - self.kept_of(visual)) * decoder.width

    def tower_flops(self, vision: VisionShape, visual: int, pictures: int, frames: int) -> float:
        """Of the attention, and of the products of contextual tokens' keys, each a mean over heads, with others'."""
        keep = self.kept_of(visual)
        contextual = round(keep * self.contextual)
        products = 2.0 * (visual - keep + contextual) * contextual * vision.head_width
        return super().tower_flops(vision, visual, pictures, frames) + products
