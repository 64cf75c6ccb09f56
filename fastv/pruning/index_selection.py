"""Which positions of a prompt survive, and how tensors shaped for the whole prompt are cut down to them."""

from __future__ import annotations

from dataclasses import dataclass

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


def picked(table: Tensor, order: Tensor) -> Tensor:
    """The entries of each row of a table, (batch, n), at these places, long (batch, m); -1 where the place is."""
    return table.gather(1, order.clamp(min=0)).masked_fill(order < 0, -1)


@dataclass(frozen=True)
class Selection:
    """The columns of a sequence that go on at a cut.

    Attributes
    ----------
    index : Tensor
        long (batch, pruned_length), ascending.
    valid : Tensor or None
        boolean, like index; None when all are valid. False marks a column that only fills a row up to the longest one;
        it stands at the row's beginning and must be masked.
    length : int
        Columns before it.
    """

    index: Tensor
    valid: Tensor | None
    length: int

    @classmethod
    def of(cls, keep: Tensor, spare: Tensor | None, pruned_length: int, fill: bool = False) -> Selection:
        """All columns of each row that are marked in ``keep``, and beside them spare ones up to ``pruned_length``.

        Parameters
        ----------
        keep, spare : Tensor
            boolean (batch, n), never both; None for no spare ones. Spare columns are padding: the last of them stay,
            as many as there is room for.
        pruned_length : int
            At least as many as are marked in any row.
        fill : bool
            Whether a row may have too few of both.
        """
        length = keep.shape[1]
        if spare is None and not fill:
            return cls(positions_of(keep, pruned_length), None, length)
        columns = torch.arange(length, device=keep.device).expand_as(keep)
        allowed = keep if spare is None else keep | spare
        index = (columns + length * keep).masked_fill(~allowed, -1).topk(pruned_length).values
        index = torch.where(index < length, index, index - length).sort(dim=1).values
        return cls(index.clamp(min=0), index >= 0 if fill else None, length)

    @classmethod
    def all_of(cls, length: int, device: torch.device) -> Selection:
        """All columns, of any number of rows."""
        return cls(torch.arange(length, device=device)[None], None, length)

    @property
    def pruned_length(self) -> int:
        return self.index.shape[1]

    def then(self, later: Selection) -> Selection:
        """This one, and out of its columns a second one."""
        valid = later.valid
        if self.valid is not None:
            own = self.valid.gather(1, later.index)
            valid = own if valid is None else own & valid
        return Selection(self.index.gather(1, later.index), valid, self.length)

    def rows(self, numbers: Tensor) -> Selection:
        """The same for some of the rows, in another order, or some of them repeated: long (batch,)."""
        numbers = numbers.to(self.index.device)
        return Selection(self.index[numbers], None if self.valid is None else self.valid[numbers], self.length)

    def columns_of(self, positions: Tensor) -> Tensor:
        """Where positions of the whole sequence, long (m,), stand in the cut one: long (batch, m), -1 for dropped."""
        index = self.index if self.valid is None else self.index.masked_fill(~self.valid, -1)
        here = index[:, None] == positions.to(index.device)[:, None]  # boolean (batch, m, pruned_length)
        return here.int().argmax(dim=2).masked_fill(~here.any(dim=2), -1)

    def grown(self, length: int) -> Selection:
        """The same choice when the sequence has grown to ``length``: all later columns are kept."""
        if length == self.length:
            return self
        later = torch.arange(self.length, length, device=self.index.device).expand(self.index.shape[0], -1)
        valid = self.valid
        if valid is not None:
            valid = torch.cat([valid, torch.ones_like(later, dtype=torch.bool)], dim=1)
        return Selection(torch.cat([self.index, later], dim=1), valid, length)

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
        columns = torch.arange(self.pruned_length, device=self.index.device)
        causal = (columns <= columns[self.pruned_length - queries :, None]).expand(self.index.shape[0], 1, -1, -1)
        return causal if self.valid is None else self._hide_fillers(causal, rows=queries == self.pruned_length)

    def _hide_fillers(self, mask: Tensor, rows: bool) -> Tensor:
        """Masks the filling columns. As queries they see themselves, so that no row of the mask is empty."""
        closed, opened = (False, True) if mask.dtype == torch.bool else (torch.finfo(mask.dtype).min, 0)
        assert self.valid is not None
        fillers = ~self.valid.to(mask.device)
        mask = mask.masked_fill(fillers[:, None, None, :], closed)
        return mask.masked_fill(torch.diag_embed(fillers)[:, None], opened) if rows else mask
