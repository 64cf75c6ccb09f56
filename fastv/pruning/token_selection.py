"""The choice: from a prompt, and what a layer's attention says of it, to the visual tokens that are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.pruning.index_selection import Selection, mark, positions_of
from fastv.pruning.signals import Signals

if TYPE_CHECKING:
    from fastv.pruning.methods.base import Method


@dataclass
class Trace:
    """What FastV did to the latest prompt. Tensors are on the model's device; lengths are columns, padding included.

    kept: long (batch, n_kept), prompt positions of the visual tokens kept, ascending, -1 at the end of rows that keep
    fewer; None before the first run. scores: float32 (batch, n_visual), the higher the sooner kept, -inf where
    visual_positions is -1; None when k = 0. visual_positions: long (batch, n_visual), prompt positions of the visual
    tokens, ascending, -1 at the end. A prompt without visual tokens runs plain: n_visual = n_kept = 0 and
    pruned_length = prompt_length. With beam search the rows are beams.
    """

    kept: Tensor | None = None
    scores: Tensor | None = None
    visual_positions: Tensor | None = None
    prompt_length: int = 0
    pruned_length: int = 0


class Prompt:
    """A prompt being read, for which the choice is still to be made.

    visual: boolean (batch, n). mask: the model's attention_mask or None. kept_of: how many of a row's visual tokens
    stay. Whatever depends on values and not on shapes
    is read here, before the layers run, so that nothing waits for the device between them. Raises InvalidInputError
    for a prompt whose last token is padding or visual.
    """

    def __init__(self, visual: Tensor, mask: Tensor | None, kept_of: Callable[[int], int]) -> None:
        self.visual = visual
        self.real: Tensor | None = None  # boolean (batch, n), False = padding; None when there is none
        self.choice: tuple[Tensor, Tensor | None] | None = None  # what the method's select returned
        self.counts: list[int] = visual.sum(dim=1).tolist()
        self.padding = torch.zeros_like(visual)  # boolean (batch, n), wherever in its row it stands
        if mask is not None and mask.dim() == 2 and not mask.all():
            self.real = mask.bool()
            self.padding = ~self.real & ~visual
            if not self.real[:, -1].all():
                raise InvalidInputError("The prompt is padded on the right. Pad it on the left (padding_side='left').")
        if visual[:, -1].any():
            raise InvalidInputError(
                "The prompt ends with a visual token, and FastV ranks by the text that follows the "
                "picture. Add some, and read the prompt whole, without prefill_chunk_size."
            )
        self.texts: list[int] = (~visual & ~self.padding).sum(dim=1).tolist()
        self.positions = positions_of(visual, max(self.counts))
        self.kept_counts = [kept_of(count) for count in self.counts]
        self.keep = torch.tensor(self.kept_counts, device=visual.device)  # long (batch,)


def choose(prompt: Prompt, method: Method) -> tuple[Selection | None, Trace]:
    """The columns that layers >= k see, and what is told of them. The selection is None when none is to be dropped."""
    visual, positions, length = prompt.visual, prompt.positions, prompt.visual.shape[1]
    if prompt.choice is None:
        if method.reads:
            raise UnsupportedModelError(
                f"Layer {method.k - 1} does not attend through transformers' AttentionInterface."
            )
        prompt.choice = method.select(prompt, Signals())
    (chosen, scores), kept_counts = prompt.choice, prompt.kept_counts
    kept = mark(positions.masked_fill(~chosen, -1), length)
    selection = None
    if kept_counts != prompt.counts:
        dropped = [count - kept_count for count, kept_count in zip(prompt.counts, kept_counts)]
        # Rows are brought to one length: first by leaving out padding, and where that is not enough by filling up.
        shortest = length - max(dropped)
        pruned_length = max(shortest, *(text + stay for text, stay in zip(prompt.texts, kept_counts)))
        selection = Selection.of(
            kept | ~visual & ~prompt.padding, prompt.padding, pruned_length, method.k, fill=shortest < pruned_length
        )
    return selection, Trace(
        kept=positions_of(kept, max(kept_counts)),
        scores=None if method.k == 0 else scores,
        visual_positions=positions,
        prompt_length=length,
        pruned_length=selection.pruned_length if selection else length,
    )
