"""The columns of prompts: which of them are visual tokens, the question or padding, at first and after a cut."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from fastv.pruning.index_selection import Selection, mark, picked, positions_of


class PromptColumns:
    """The columns of a batch of prompts before any cut.

    What is not given is worked out when it is asked for: most methods never ask for most of it, after the last cut
    hardly anybody does, and every small operation on a device takes its time.

    Parameters
    ----------
    visual : Tensor
        boolean (batch, n): visual tokens.
    real : Tensor or None
        boolean (batch, n), False = padding; None when there is none.
    counts : list of int
        Visual tokens of each row.
    """

    def __init__(self, visual: Tensor, real: Tensor | None, counts: list[int]) -> None:
        self._visual, self._real, self.counts = visual, real, counts
        self.length = visual.shape[1]

    @cached_property
    def visual(self) -> Tensor:
        """boolean (batch, n)."""
        return self._visual

    @cached_property
    def real(self) -> Tensor | None:
        """boolean (batch, n), False = padding; None when there is none."""
        return self._real

    @cached_property
    def padding(self) -> Tensor | None:
        """boolean (batch, n); None when there is none."""
        return None if self.real is None else ~self.real & ~self.visual

    @cached_property
    def positions(self) -> Tensor:
        """long (batch, n_visual): columns of the visual tokens, ascending, -1 at the end of rows that have fewer."""
        return positions_of(self.visual, max(self.counts))

    @cached_property
    def prompt_positions(self) -> Tensor:
        """long (batch, n_visual): columns of the same tokens before any cut."""
        return self.positions

    @cached_property
    def ordinals(self) -> Tensor:
        """long (batch, n_visual): which of its row's visual tokens before any cut each is, from 0; -1 at the end."""
        order = torch.arange(self.positions.shape[1], device=self.visual.device)
        return order.expand_as(self.positions).masked_fill(self.positions < 0, -1)

    @cached_property
    def question(self) -> Tensor:
        """boolean (batch, n): the text after the last visual token; all text in rows without any."""
        columns = torch.arange(self.length, device=self.visual.device)
        after = columns > columns.masked_fill(~self.visual, -1).amax(dim=1, keepdim=True)
        return after if self.padding is None else after & ~self.padding

    def dropped(self, chosen: Tensor) -> Tensor:
        """boolean (batch, n): visual tokens that are not among the chosen ones, boolean (batch, n_visual)."""
        return mark(self.positions.masked_fill(chosen, -1), self.length)


class ColumnsLeft(PromptColumns):
    """The columns that a cut leaves.

    Parameters
    ----------
    before : PromptColumns
        Those that there were.
    selection : Selection
        Which of them stay.
    chosen : Tensor
        boolean (batch, n_visual): which of their visual tokens stay.
    counts : list of int
        Visual tokens left of each row.
    """

    def __init__(self, before: PromptColumns, selection: Selection, chosen: Tensor, counts: list[int]) -> None:
        self.counts, self.length = counts, selection.pruned_length
        self._before, self._selection, self._chosen = before, selection, chosen

    @cached_property
    def visual(self) -> Tensor:
        return self._left_of(self._before.visual & ~self._before.dropped(self._chosen))

    @cached_property
    def padding(self) -> Tensor | None:
        padding, valid = self._before.padding, self._selection.valid
        if padding is not None:
            padding = self._selection.take(padding, -1)
        if padding is None or valid is None:
            return padding if valid is None else ~valid
        return padding | ~valid

    @cached_property
    def real(self) -> Tensor | None:
        return None if self.padding is None else ~self.padding

    @cached_property
    def prompt_positions(self) -> Tensor:
        return picked(self._before.prompt_positions, self._order)

    @cached_property
    def ordinals(self) -> Tensor:
        return picked(self._before.ordinals, self._order)

    @cached_property
    def question(self) -> Tensor:
        return self._left_of(self._before.question)

    @cached_property
    def _order(self) -> Tensor:
        """long (batch, n_visual): which of the visual tokens before the cut each one was, -1 at the end."""
        return positions_of(self._chosen, max(self.counts))

    def _left_of(self, marked: Tensor) -> Tensor:
        left = self._selection.take(marked, -1)
        return left if self._selection.valid is None else left & self._selection.valid
