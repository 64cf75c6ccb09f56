"""What the cuts of a prompt left of it, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor

from fastv.pruning.index_selection import Selection, positions_of


@dataclass(frozen=True)
class NewStates:
    """Hidden states that tokens have from a cut on, in place of their own.

    Attributes
    ----------
    columns
        long (batch, m): where they stand after the cut, -1 at the end of rows that have fewer.
    states
        (batch, m, width).
    """

    columns: Tensor
    states: Tensor

    @classmethod
    def of(cls, states: Tensor, chosen: Tensor, columns: Tensor) -> NewStates:
        """Those of the chosen ones, boolean (batch, n), out of states (batch, n, width); columns: see above."""
        order = positions_of(chosen, columns.shape[1]).clamp(min=0).to(states.device)
        return cls(columns, torch.take_along_dim(states, order[..., None], dim=1))

    def put(self, hidden_states: Tensor) -> Tensor:
        """Hidden states (batch, n, width) with these in their columns."""
        length = hidden_states.shape[1]
        columns = self.columns.to(hidden_states.device)
        columns = columns.masked_fill(columns < 0, length)[..., None].expand_as(self.states)
        spare = torch.nn.functional.pad(hidden_states, (0, 0, 0, 1))  # takes what has no column
        return spare.scatter(1, columns, self.states.to(hidden_states))[:, :length]


@dataclass(frozen=True)
class Cut:
    """One cut.

    Attributes
    ----------
    layer
        The decoder layer on entering which it is made.
    selection
        The columns that go on, out of those before it; None for all of them.
    new_states
        What some of them are from there on; None where all stay what they are, and once the prompt is read.
    log_weights
        float32 (batch, columns left): what is added to the attention logits of each column from there on; None for
        nothing, and where this cut drops nothing.
    shifts
        long (batch, columns left): by how much the position of each column is less from there on than it was before all
        cuts, and at the last column that of everything that follows; None for 0, and where this cut drops nothing.
    """

    layer: int
    selection: Selection | None
    new_states: NewStates | None = None
    log_weights: Tensor | None = None
    shifts: Tensor | None = None

    def rows(self, numbers: Tensor) -> Cut:
        """The same for some of the rows, see ``Selection.rows``."""
        return Cut(
            self.layer,
            None if self.selection is None else self.selection.rows(numbers),
            log_weights=None if self.log_weights is None else self.log_weights[numbers.to(self.log_weights.device)],
            shifts=None if self.shifts is None else self.shifts[numbers.to(self.shifts.device)],
        )


class PromptCuts(tuple[Cut, ...]):
    """All cuts of one prompt, in the order of their layers."""

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(cut.layer for cut in self)

    def selection(self, last: int = -1, since: int = 0) -> Selection | None:
        """The columns left after cut number ``last`` (by default of all), out of those before cut number ``since``.

        None for all of them.
        """
        end = len(self) + last if last < 0 else last
        steps = [cut.selection for cut in self[since : end + 1] if cut.selection is not None]
        return reduce(Selection.then, steps) if steps else None

    def before(self, layer: int) -> Selection | None:
        """The columns that a layer is given; None for all of them."""
        passed = sum(cut.layer <= layer for cut in self)
        return self.selection(passed - 1) if passed else None

    @property
    def log_weights(self) -> Tensor | None:
        """Those of the columns left after all cuts, see ``Cut``."""
        return next((cut.log_weights for cut in reversed(self) if cut.selection is not None), None)

    @property
    def shifts(self) -> Tensor | None:
        """Those of the columns left after all cuts, see ``Cut``."""
        return next((cut.shifts for cut in reversed(self) if cut.selection is not None), None)

    def lost(self, layer: int) -> int:
        """By how many columns what a layer is given is shorter than the sequence."""
        selection = self.before(layer)
        return 0 if selection is None else selection.length - selection.pruned_length

    @property
    def length(self) -> int:
        """Columns before all cuts; 0 where none of them dropped anything."""
        return next((cut.selection.length for cut in self if cut.selection is not None), 0)

    @property
    def row_count(self) -> int:
        """Rows of the prompt; 0 where nothing was dropped."""
        return next((len(cut.selection.index) for cut in self if cut.selection is not None), 0)

    def once_read(self) -> PromptCuts:
        """What a key-value cache must know of them."""
        return PromptCuts(replace(cut, new_states=None) for cut in self)

    def rows(self, numbers: Tensor) -> PromptCuts:
        """The same for some of the rows, in another order, or some of them repeated: long (batch,)."""
        return PromptCuts(cut.rows(numbers) for cut in self)
