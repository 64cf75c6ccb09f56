"""EVS: keep a video's first frame, and of later ones what has changed (arXiv 2510.14624)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import STATES

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.families.shapes import DecoderShape
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class EfficientVideoSampling(Method):
    """Keep, before decoder layer 0, each video's first frame and the tokens that differ most from the frame before.

    A later token's score is 1 minus its cosine similarity to the token at the same place one frame earlier; where a
    model reads frames in pairs, a pair counts as a frame. The question plays no part. See ``Method`` for the
    parameters; ``k`` is always 0.

    The paper compares pixels, the inference servers that took the method over compare what the decoder is given; so
    does this.

    References
    ----------
    Bagrov et al., "Efficient Video Sampling: Pruning Temporally Redundant Tokens for Faster VLM Inference",
    arXiv 2510.14624.
    """

    name = "evs"
    label = "EVS"
    phrase = "by how much they differ from the frame before"
    paper = "arXiv 2510.14624"
    signals = (STATES,)
    cuts = "before decoder layer 0"
    limits = "Videos only: images have no frame before. Cannot keep fewer tokens than the first frames have."
    videos_alone = True
    takes_k = False
    default_k = 0
    needs_places = True

    def score(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        import torch

        from fastv.pruning.scorers.temporal import change_since_last_frame

        assert signals.states is not None
        scores = torch.zeros(prompt.positions.shape, device=signals.states.device)
        rows = zip(prompt.grids, prompt.layout.group_counts, prompt.counts, prompt.kept_counts)
        for row, (grids, groups, count, keep) in enumerate(rows):
            self._check(grids, groups, keep)
            states = signals.states[row, prompt.positions[row, :count]].split(groups)
            changes = [change_since_last_frame(part, frames) for part, (frames, _, _) in zip(states, grids or ())]
            if changes:
                scores[row, :count] = torch.cat(changes)
        return scores.to(prompt.positions.device)

    def _check(self, grids: list[tuple[int, int, int]] | None, groups: list[int], keep: int) -> None:
        """Raise for a row that cannot be served."""
        if grids is None:
            raise UnsupportedModelError(
                "EVS compares each frame of a video with the one before, and which visual tokens of this model belong "
                "to which frame is not known."
            )
        if any(frames == 1 for frames, _, _ in grids):
            raise InvalidInputError(
                "EVS compares each frame of a video with the one before. This prompt has an image, or a video of one "
                "frame, which has none before it; use another method for it."
            )
        first = sum(count // frames for (frames, _, _), count in zip(grids, groups))
        if keep < first:
            raise InvalidInputError(
                f"EVS keeps the first frame of each video whole, {first} tokens here, and is to keep {keep} in all. "
                "Keep more, or use another method."
            )

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """Two norms' worth and one product for each token."""
        return 6.0 * visual * decoder.width
