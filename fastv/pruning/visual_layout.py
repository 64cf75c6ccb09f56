"""Which picture, and which place in it, each visual token of a prompt belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from fastv.families.visual_groups import NOWHERE, VisualGroup, by_rows
from fastv.pruning.index_selection import positions_of


class VisualLayout:
    """The visual tokens of a prompt before anything is dropped, numbered in each row by their order (ordinals).

    Parameters
    ----------
    visual : Tensor
        boolean (batch, n).
    counts : list of int
        Visual tokens of each row.
    groups : list of VisualGroup or None
        All pictures and videos in the prompt's order. None, and groups that do not fit the counts: unknown; then each
        unbroken run of visual tokens is taken for a picture.
    """

    def __init__(self, visual: Tensor, counts: list[int], groups: Sequence[VisualGroup] | None = None) -> None:
        self.visual, self.counts = visual, counts
        #: The pictures and videos of each row; None where they are not known.
        self.rows = by_rows(groups, counts) if groups is not None else None

    @property
    def grids(self) -> list[list[tuple[int, int, int]] | None]:
        """For each row (frames, rows, columns) of its pictures and videos; None where that is unknown."""
        if self.rows is None:
            return [None] * len(self.counts)
        return [[group.grid for group in row] for row in self.rows]

    @cached_property
    def group_counts(self) -> list[list[int]]:
        """Visual tokens of each picture or video in each row. Waits for the device where groups are unknown."""
        if self.rows is not None:
            return [[group.tokens for group in row] for row in self.rows]
        return [torch.bincount(row[row >= 0]).tolist() for row in self.images.cpu()]

    @cached_property
    def images(self) -> Tensor:
        """long (batch, n_visual): the number of each token's picture or video in its row, -1 at the end."""
        if self.rows is not None:
            return self._table([[n for n, group in enumerate(row) for _ in range(group.tokens)] for row in self.rows])
        begins = self.visual & ~torch.nn.functional.pad(self.visual, (1, 0))[:, :-1]
        positions = positions_of(self.visual, max(self.counts))
        return (begins.cumsum(dim=1) - 1).gather(1, positions.clamp(min=0)).masked_fill(positions < 0, -1)

    @cached_property
    def places(self) -> Tensor | None:
        """long (batch, n_visual, 3): each token's (frame, row, column), -1 where it has none; None: unknown."""
        if self.rows is None:
            return None
        known: dict[VisualGroup, list[tuple[int, int, int]]] = {}
        for group in (group for row in self.rows for group in row):
            if group not in known:
                known[group] = group.places()
        return self._table([[place for group in row for place in known[group]] for row in self.rows], NOWHERE)

    def _table(self, rows: list[list], filler: object = -1) -> Tensor:
        most = max(self.counts)
        return torch.tensor([row + [filler] * (most - len(row)) for row in rows]).to(
            self.visual.device, non_blocking=True
        )
