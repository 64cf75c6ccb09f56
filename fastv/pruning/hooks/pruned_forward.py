"""One forward's inputs to the layers from a cut on, cut down to what is left."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from torch import Tensor

from fastv.pruning.index_selection import Selection
from fastv.pruning.prompt_cuts import Cut


class PrunedForward:
    """One forward's inputs to the layers from one cut to the next.

    Parameters
    ----------
    chosen : Selection
        All columns that are left there, for the sequence as it was when the choice was made.
    length : int
        What it has grown to, the ``new`` columns included.
    new : int
        Columns that are queries in this forward: all of them when the sequence is read from its start.
    flat_mask : bool
        Whether the kernel takes (batch, n) masks (flash attention).
    cut : Cut or None
        The cut itself; None where no layer is given hidden states.
    """

    def __init__(self, chosen: Selection, length: int, new: int, flat_mask: bool, cut: Cut | None = None) -> None:
        self.chosen, self.length, self.new, self.flat_mask, self.cut = chosen, length, new, flat_mask, cut
        self.whole = new == length
        self._done: dict[int, tuple[Any, Any]] = {}

    @cached_property
    def selection(self) -> Selection:
        return self.chosen.grown(self.length)

    def prune_hidden_states(self, hidden_states: Tensor) -> Tensor:
        """What enters the cut's layer, given what left the layer before: (batch, n, width)."""
        assert self.cut is not None
        step = self.cut.selection
        if step is None:
            return hidden_states
        hidden_states = step.grown(step.length + self.length - self.chosen.length).take(hidden_states, -2)
        new = self.cut.new_states
        return hidden_states if new is None else new.put(hidden_states)

    def prune_kwargs(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """A layer's keyword arguments with what goes along with the hidden states cut: mask and positions."""
        mask = kwargs.get("attention_mask")
        if mask is None and self.chosen.valid is None and not self.whole:
            return kwargs
        cut = {"attention_mask": self._once(mask, self.prune_mask)}
        if self.whole:
            for name, shorten in (("position_ids", self._position_ids), ("position_embeddings", self._embeddings)):
                if kwargs.get(name) is not None:
                    cut[name] = self._once(kwargs[name], shorten)
        return kwargs | cut

    def prune_mask(self, mask: Tensor | None) -> Tensor | None:
        """The mask of the cut sequence, given the mask of the whole one (see ``Selection.take_mask``)."""
        if mask is not None:
            return self.selection.take_mask(mask, rows=self.whole)
        if self.chosen.valid is None:
            return None
        if self.flat_mask:
            return self.selection.valid
        return self.selection.new_mask(self.selection.pruned_length if self.whole else self.new)

    def _position_ids(self, position_ids: Tensor) -> Tensor | None:
        # Layers rotate by position_embeddings; position_ids go to the kernel alone, and flash attention takes gaps in
        # them for borders between packed sequences.
        return None if self.flat_mask else self.selection.take(position_ids, -1)

    def _embeddings(self, pair: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(self.selection.take(part, -2) for part in pair)

    def _once(self, value: Any, shorten: Callable) -> Any:
        """Layers are given the same objects, so each is cut once; it is held on to, so that no other gets its id."""
        if id(value) not in self._done:
            self._done[id(value)] = value, shorten(value)
        return self._done[id(value)][1]
