"""Which positions of a prompt survive, and how tensors shaped for the whole prompt are cut down to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


def positions_of(marked: Tensor, most: int) -> Tensor:
    """Positions of the True entries of each row, ascending.

    Parameters
    ----------
    marked : Tensor
        boolean (batch, n).
    most : int
        How many the row with the most has; given, so that nothing waits for the device.

    Returns
    -------
    Tensor
        long (batch, most), -1 at the end of rows that have fewer.
    """
    length = marked.shape[1]
    columns = torch.arange(length, device=marked.device).expand_as(marked)
    packed = columns.masked_fill(~marked, length).sort(dim=1).values[:, :most]
    return packed.masked_fill(packed == length, -1)


def mark(positions: Tensor, length: int) -> Tensor:
    """The inverse of ``positions_of``: long (batch, m) with -1 for none -> boolean (batch, length)."""
    slots = torch.zeros(positions.shape[0], length + 1, dtype=torch.bool, device=positions.device)
    return slots.scatter_(1, positions.masked_fill(positions < 0, length), True)[:, :length]


@dataclass(frozen=True)
class Selection:
    """The columns of a sequence that layers >= k see.

    Attributes
    ----------
    index : Tensor
        long (batch, pruned_length), ascending.
    valid : Tensor or None
        boolean, like index; None when all are valid. False marks a column that only fills a row up to the longest one;
        it stands at the row's beginning and must be masked.
    length : int
        Columns before pruning.
    k : int
        The layer it was made for.
    """

    index: Tensor
    valid: Tensor | None
    length: int
    k: int

    @classmethod
    def of(cls, keep: Tensor, spare: Tensor, pruned_length: int, k: int, fill: bool = False) -> Selection:
        """All columns of each row that are marked in ``keep``, and beside them spare ones up to ``pruned_length``.

        Parameters
        ----------
        keep, spare : Tensor
            boolean (batch, n), never both. Spare columns are padding: the last of them stay, as many as there is room
            for.
        pruned_length : int
            At least as many as are marked in any row.
        k : int
            The layer.
        fill : bool
            Whether a row may have too few of both.
        """
        length = keep.shape[1]
        columns = torch.arange(length, device=keep.device).expand_as(keep)
        index = (columns + length * keep).masked_fill(~(keep | spare), -1).topk(pruned_length).values
        index = torch.where(index < length, index, index - length).sort(dim=1).values
        return cls(index.clamp(min=0), index >= 0 if fill else None, length, k)

    @property
    def pruned_length(self) -> int:
        return self.index.shape[1]

    def rows(self, numbers: Tensor) -> Selection:
        """The same for some of the rows, in another order, or some of them repeated: long (batch,)."""
        numbers = numbers.to(self.index.device)
        return Selection(self.index[numbers], None if self.valid is None else self.valid[numbers], self.length, self.k)

    def columns_of(self, positions: Tensor) -> Tensor:
        """Where positions of the whole sequence, long (m,), stand in the cut one: long (batch, m), -1 for dropped."""
        index = self.index if self.valid is None else self.index.masked_fill(~self.valid, -1)
        here = index[:, None] == positions.to(index.device)[:, None]  # boolean (batch, m, pruned_length)
        return here.int().argmax(dim=2).masked_fill(~here.any(dim=2), -1)

    def grown(self, length: int) -> Selection:
        """The same choice when the sequence has grown to ``length``: all later columns are kept."""
        later = torch.arange(self.length, length, device=self.index.device).expand(self.index.shape[0], -1)
        valid = self.valid
        if valid is not None:
            valid = torch.cat([valid, torch.ones_like(later, dtype=torch.bool)], dim=1)
        return Selection(torch.cat([self.index, later], dim=1), valid, length, self.k)

    def take(self, tensor: Tensor, dim: int) -> Tensor:
        """Keeps the selected entries along ``dim`` (negative). The dimension before it is the batch, or 1 for all."""
        index = self.index.to(tensor.device)
        if index.shape[0] == 1:
            return tensor.index_select(dim, index[0])
        index = index.view((1,) * (tensor.dim() + dim - 1) + index.shape + (1,) * (-dim - 1))
        return torch.take_along_dim(tensor, index, dim)

    def take_mask(self, mask: Tensor, rows: bool) -> Tensor:
        """Cut an attention mask.

        Parameters
        ----------
        mask : Tensor
            (batch, n), non-zero = visible, or (batch | 1, heads | 1, queries, n), boolean or added.
        rows : bool
            Whether the queries are the sequence itself and are cut as well.
        """
        if mask.dim() == 2:
            mask = self.take(mask, -1)
            return mask if self.valid is None else mask * self.valid.to(mask)
        index = self.index.to(mask.device)
        if rows:
            mask = torch.take_along_dim(mask, index[:, None, :, None], -2)
        mask = torch.take_along_dim(mask, index[:, None, None, :], -1)
        return mask if self.valid is None else self._hide_fillers(mask, rows)

    def new_mask(self, queries: int) -> Tensor:
        """The mask of the last columns where the kernel needed none: boolean (batch, 1, queries, pruned_length)."""
        square = torch.ones(self.pruned_length, self.pruned_length, dtype=torch.bool, device=self.index.device)
        causal = square.tril()[self.pruned_length - queries :].expand(self.index.shape[0], 1, -1, -1)
        return self._hide_fillers(causal, rows=queries == self.pruned_length)

    def _hide_fillers(self, mask: Tensor, rows: bool) -> Tensor:
        """Masks the filling columns. As queries they see themselves, so that no row of the mask is empty."""
        closed, opened = (False, True) if mask.dtype == torch.bool else (torch.finfo(mask.dtype).min, 0)
        assert self.valid is not None
        fillers = ~self.valid.to(mask.device)
        mask = mask.masked_fill(fillers[:, None, None, :], closed)
        return mask.masked_fill(torch.diag_embed(fillers)[:, None], opened) if rows else mask


class PrunedForward:
    """One forward's inputs to the layers >= k, cut down to a selection.

    Parameters
    ----------
    chosen : Selection
        For the sequence as it was when the choice was made.
    length : int
        What it has grown to, the ``new`` columns included.
    new : int
        Columns that are queries in this forward: all of them when the sequence is read from its start.
    flat_mask : bool
        Whether the kernel takes (batch, n) masks (flash attention).
    """

    def __init__(self, chosen: Selection, length: int, new: int, flat_mask: bool) -> None:
        self.chosen, self.length, self.new, self.flat_mask = chosen, length, new, flat_mask
        self.whole = new == length
        self._done: dict[int, tuple[Any, Any]] = {}

    @cached_property
    def selection(self) -> Selection:
        return self.chosen.grown(self.length)

    def prune_hidden_states(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """A layer's arguments with its hidden states (batch, n, width) cut, positional or not."""
        if args:
            return (self.selection.take(args[0], -2), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": self.selection.take(kwargs["hidden_states"], -2)}

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
