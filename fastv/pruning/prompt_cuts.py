"""What the cuts of a prompt left of it, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from torch import Tensor

from fastv.pruning.index_selection import Selection


@dataclass(frozen=True)
class Cut:
    """One cut.

    Attributes
    ----------
    layer
        The decoder layer on entering which it is made.
    selection
        The columns that go on, out of those before it; None for all of them.
    """

    layer: int
    selection: Selection | None

    def rows(self, numbers: Tensor) -> Cut:
        """The same for some of the rows, see ``Selection.rows``."""
        return Cut(self.layer, None if self.selection is None else self.selection.rows(numbers))


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

    def lost(self, last: int = -1) -> int:
        """By how many columns the sequence is shorter after cut number ``last``."""
        selection = self.selection(last)
        return 0 if selection is None else selection.length - selection.pruned_length

    @property
    def length(self) -> int:
        """Columns before all cuts; 0 where none of them dropped anything."""
        return next((cut.selection.length for cut in self if cut.selection is not None), 0)

    @property
    def row_count(self) -> int:
        """Rows of the prompt; 0 where nothing was dropped."""
        return next((len(cut.selection.index) for cut in self if cut.selection is not None), 0)

    def rows(self, numbers: Tensor) -> PromptCuts:
        """The same for some of the rows, in another order, or some of them repeated: long (batch,)."""
        return PromptCuts(cut.rows(numbers) for cut in self)
