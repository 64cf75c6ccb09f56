"""FasterVLM: keep the visual tokens that the vision tower's class token attends to most (arXiv 2412.01818v1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.methods.base import Method
from fastv.pruning.signals import TOWER

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class FasterVLM(Method):
    """Keep, before decoder layer 0, the visual tokens that the vision tower itself finds salient.

    The score of a token is the attention that the tower's class token pays to its patch, averaged over heads, in the
    layer whose output the model uses. Where a tower has no class token it is the attention that the patch gets from
    all patches on average. The question plays no part. See ``Method`` for the parameters; ``k`` is always 0.

    References
    ----------
    Zhang et al., "[CLS] Attention is All You Need for Training-Free Visual Token Pruning: Make VLM Inference Faster",
    arXiv 2412.01818, first version; the second one, under the same number, is VisPruner.
    """

    name = "fastervlm"
    label = "FasterVLM"
    phrase = "by the attention of the vision tower's class token"
    paper = "arXiv 2412.01818v1"
    signals = (TOWER,)
    cuts = "before decoder layer 0"
    limits = "Ignores the question. Towers without a class token: mean attention takes its place."
    takes_k = False
    default_k = 0

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        return tower_saliency(prompt, signals)


def tower_saliency(prompt: PromptTokens, signals: Signals) -> Tensor:
    """The tower's attention for the visual tokens of a prompt: float32 (batch, n_visual)."""
    assert signals.tower is not None
    return signals.tower.attention.to(prompt.positions.device)
