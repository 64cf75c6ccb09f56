"""What is told of the latest prompt that was pruned."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Trace:
    """What was done to the latest prompt.

    Inside ``generate`` that is its own prompt, or another one with visual tokens; prompts of text alone that are read
    beside it, as guidance does, do not show. Where several threads use a model it is the latest prompt of any of them.

    Attributes
    ----------
    kept : Tensor or None
        long (batch, n_kept): prompt positions of the visual tokens kept after the last cut, ascending, -1 at the end of
        rows that keep fewer. None before the first run. With beam search the rows are beams.
    scores : Tensor or None
        float32 (batch, n_visual): the higher, the sooner kept, at the first cut; -inf where visual_positions is -1.
        None where the choice is not by scores, and before layer 0 where it looks at nothing.
    visual_positions : Tensor or None
        long (batch, n_visual): prompt positions of the visual tokens, ascending, -1 at the end.
    prompt_length, pruned_length : int
        Columns before pruning and after the last cut, padding included; equal for a prompt without visual tokens.
    visual_counts : list of int
        Visual tokens of each row.
    kept_after_each_cut : list of (int, list of int)
        For each cut its layer, and how many of each row's visual tokens were left from that layer on.
    kept_by_cut : list of Tensor
        For each cut what ``kept`` is for the last: prompt positions of the visual tokens that are left.
    layers : int
        Decoder layers of the model.
    """

    kept: Tensor | None = None
    scores: Tensor | None = None
    visual_positions: Tensor | None = None
    prompt_length: int = 0
    pruned_length: int = 0
    visual_counts: list[int] = field(default_factory=list)
    kept_after_each_cut: list[tuple[int, list[int]]] = field(default_factory=list)
    kept_by_cut: list[Tensor] = field(default_factory=list)
    layers: int = 0

    @classmethod
    def of_text(cls, input_ids: Tensor, scored: bool, layers: int = 0) -> Trace:
        """Of a prompt without visual tokens."""
        nothing = torch.empty(len(input_ids), 0, dtype=torch.long, device=input_ids.device)
        rows, length = input_ids.shape
        return cls(nothing, nothing.float() if scored else None, nothing, length, length, [0] * rows, layers=layers)

    @property
    def keep(self) -> int:
        """How many visual tokens of the first row are left after the last cut."""
        if self.kept_after_each_cut:
            return self.kept_after_each_cut[-1][1][0]
        return self.visual_counts[0] if self.visual_counts else 0

    @property
    def keep_ratio(self) -> float:
        """Which fraction of the first row's visual tokens is left after the last cut; 1 where it has none."""
        count = self.visual_counts[0] if self.visual_counts else 0
        return self.keep / count if count else 1.0

    @property
    def r(self) -> float:
        """Which fraction of the first row's visual tokens is dropped in the end."""
        return 1 - self.keep_ratio

    @property
    def average_tokens(self) -> float:
        """Visual tokens of the first row, averaged over decoder layers: the number that papers print."""
        left = self.visual_counts[0] if self.visual_counts else 0
        total, start = 0, 0
        for layer, counts in self.kept_after_each_cut:
            total += (layer - start) * left
            left, start = counts[0], layer
        return (total + (self.layers - start) * left) / self.layers if self.layers else float(left)
