"""Which visual tokens of a prompt stay: the prompt as a method sees it, the choice, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.pruning.index_selection import Selection, mark, positions_of
from fastv.pruning.signals import Signals


class TokenSelector(Protocol):
    """What the engine asks of a pruning method; ``methods.base.Method`` tells what each means."""

    @property
    def k(self) -> int: ...

    @property
    def reads(self) -> tuple[str, ...]: ...

    def kept_of(self, count: int) -> int: ...

    def select(self, prompt: PromptTokens, signals: Signals) -> tuple[Tensor, Tensor | None]: ...


@dataclass
class Trace:
    """What was done to the latest prompt.

    Inside ``generate`` that is its own prompt, or another one with visual tokens; prompts of text alone that are read
    beside it, as guidance does, do not show. Where several threads use a model it is the latest prompt of any of them.

    Attributes
    ----------
    kept : Tensor or None
        long (batch, n_kept): prompt positions of the visual tokens kept, ascending, -1 at the end of rows that keep
        fewer. None before the first run. With beam search the rows are beams.
    scores : Tensor or None
        float32 (batch, n_visual): the higher, the sooner kept; -inf where visual_positions is -1. None where the
        choice is not by scores, and for ``k = 0``.
    visual_positions : Tensor or None
        long (batch, n_visual): prompt positions of the visual tokens, ascending, -1 at the end.
    prompt_length, pruned_length : int
        Columns before and after pruning, padding included; equal for a prompt without visual tokens.
    """

    kept: Tensor | None = None
    scores: Tensor | None = None
    visual_positions: Tensor | None = None
    prompt_length: int = 0
    pruned_length: int = 0

    @classmethod
    def of_text(cls, input_ids: Tensor, scored: bool) -> Trace:
        """Of a prompt without visual tokens."""
        nothing = torch.empty(len(input_ids), 0, dtype=torch.long, device=input_ids.device)
        length = input_ids.shape[1]
        return cls(nothing, nothing.float() if scored else None, nothing, length, length)


class PromptTokens:
    """A prompt being read, for which the choice is still to be made.

    Whatever depends on values and not on shapes is read here, before the layers run, so that nothing waits for the
    device between them.

    Parameters
    ----------
    visual : Tensor
        boolean (batch, n).
    mask : Tensor or None
        The model's attention_mask for these columns.
    kept_of : callable
        How many of a row's visual tokens stay.

    Attributes
    ----------
    positions : Tensor
        long (batch, n_visual): where the visual tokens stand, -1 at the end of rows that have fewer.
    counts, kept_counts : list of int
        Visual tokens of each row, and how many of them stay.
    keep : Tensor
        long (batch,): ``kept_counts`` on the device.
    real : Tensor or None
        boolean (batch, n), False = padding; None when there is none.

    Raises
    ------
    InvalidInputError
        For a prompt whose last token is padding or visual.
    """

    def __init__(self, visual: Tensor, mask: Tensor | None, kept_of: Callable[[int], int]) -> None:
        self.visual = visual
        self.real: Tensor | None = None
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
                "The prompt ends with a visual token, and tokens are ranked by the text that follows the image. Add "
                "text after the image, and read the prompt whole, without prefill_chunk_size."
            )
        self.texts: list[int] = (~visual & ~self.padding).sum(dim=1).tolist()
        self.positions = positions_of(visual, max(self.counts))
        self.kept_counts = [kept_of(count) for count in self.counts]
        self.keep = torch.tensor(self.kept_counts, device=visual.device)

    @property
    def drops(self) -> bool:
        """Whether any visual token is to be dropped."""
        return self.kept_counts != self.counts


def choose(prompt: PromptTokens, method: TokenSelector) -> tuple[Selection | None, Trace]:
    """The columns that layers >= k see, and what is told of them. The selection is None when nothing is dropped."""
    visual, positions, length = prompt.visual, prompt.positions, prompt.visual.shape[1]
    if prompt.choice is None:
        if method.reads:
            raise UnsupportedModelError(
                f"Layer {method.k - 1} does not attend through transformers' AttentionInterface."
            )
        prompt.choice = method.select(prompt, Signals())
    chosen, scores = prompt.choice
    kept_counts = prompt.kept_counts
    kept = mark(positions.masked_fill(~chosen, -1), length)
    selection = None
    if prompt.drops:
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
