"""A prompt as a method sees it at a cut."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastv.errors import InvalidInputError
from fastv.families.visual_groups import VisualGroup
from fastv.pruning.choice import Choice
from fastv.pruning.index_selection import Selection, mark, positions_of
from fastv.pruning.visual_layout import VisualLayout


class Part(NamedTuple):
    """Visual tokens that an amount holds for: those of a prompt, or of one picture or video.

    Attributes
    ----------
    row
        The prompt.
    start, tokens
        They are this many of its visual tokens, from this one on.
    keep
        How many of them the cut leaves.
    """

    row: int
    start: int
    tokens: int
    keep: int

    @property
    def slice(self) -> slice:
        """Where they stand among the visual tokens of their row."""
        return slice(self.start, self.start + self.tokens)


class PromptTokens:
    """A prompt being read, for which a choice is still to be made.

    Whatever depends on values and not on shapes is read here, before the layers run, so that nothing waits for the
    device between them. "Columns" are those of the sequence as it is at the cut, after what earlier cuts dropped.

    Parameters
    ----------
    visual : Tensor
        boolean (batch, n).
    mask : Tensor or None
        The model's attention_mask for these columns.
    kept : callable
        From a count of visual tokens to how many of them are left after each cut.
    groups : sequence of VisualGroup or None
        The pictures and videos in the prompt's order; None where they are not known.
    per_image : bool
        Whether ``kept`` holds for each picture or video, not for all of a row together.
    kept_of_groups : callable
        From a row's pictures and videos to how many tokens are left after each cut; None where ``kept`` tells.

    Attributes
    ----------
    cut : int
        Number of the cut, from 0; in the prompt as a method sees it, among its own cuts.
    visual : Tensor
        boolean (batch, n): columns of visual tokens.
    positions : Tensor
        long (batch, n_visual): columns of the visual tokens that are there, ascending, -1 at the end of rows that have
        fewer.
    ordinals : Tensor
        long (batch, n_visual): which of its row's original visual tokens each is, from 0; -1 at the end.
    counts, kept_counts : list of int
        Visual tokens of each row, and how many of them this cut leaves.
    keep : Tensor
        long (batch,): ``kept_counts`` on the device.
    keep_per_image : Tensor or None
        long (batch, images): how many tokens of each picture or video this cut leaves; None where the amount holds for
        all of a row together.
    real : Tensor or None
        boolean (batch, n), False = padding; None when there is none.
    padding : Tensor
        boolean (batch, n).
    memory : dict
        For what a method finds out at one cut and needs at a later one of the same prompt.
    question : Tensor
        boolean (batch, n): the text after the last visual token of the prompt; all text in rows without any.
    question_length : int
        The last columns that hold the question of every row with visual tokens, after any cut.
    layout : VisualLayout
        Of the prompt before any cut.

    Raises
    ------
    InvalidInputError
        For a prompt whose last token is padding or visual.
    """

    def __init__(
        self,
        visual: Tensor,
        mask: Tensor | None,
        kept: Callable[[int], Sequence[int]],
        groups: Sequence[VisualGroup] | None = None,
        per_image: bool = False,
        kept_of_groups: Callable[[Sequence[VisualGroup]], Sequence[int] | None] = lambda _: None,
    ) -> None:
        self._at = self._first = 0  # numbers of cuts: the next one, and the first of those that a method makes
        self._of: int | None = None  # how many it makes; None for all
        self.memory: dict[Any, Any] = {}
        self.visual = visual
        self.real: Tensor | None = None
        self.padding = torch.zeros_like(visual)  # wherever in its row it stands
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
        text = ~visual & ~self.padding
        self.counts: list[int] = visual.sum(dim=1).tolist()
        self.texts: list[int] = text.sum(dim=1).tolist()
        self.layout = VisualLayout(visual, self.counts, groups)
        self.positions = self.original_positions = positions_of(visual, max(self.counts))
        self.ordinals = (visual.cumsum(dim=1) - 1).gather(1, self.positions.clamp(min=0))
        self.ordinals = self.ordinals.masked_fill(self.positions < 0, -1)
        after_all = visual.flip(1).cumsum(dim=1).flip(1) == 0
        self.question = text & after_all
        self.question_length: int = int((after_all & visual.any(dim=1, keepdim=True)).sum(dim=1).max())
        self._keep_per_image: Tensor | None = None
        self._left_per_image: list[list[list[int]]] | None = None  # of each row and picture after each cut
        if per_image:
            amounts = [[list(kept(count)) for count in row] for row in self.layout.group_counts]
            nothing = [0] * len(kept(0))
            most = max(map(len, amounts))
            filled = [row + [nothing] * (most - len(row)) for row in amounts]
            self._keep_per_image = torch.tensor(filled, device=visual.device)
            self._left_per_image = amounts
            self._left = [[sum(each) for each in zip(*row)] for row in filled]
        else:
            self._left = [list(kept(count)) for count in self.counts]  # of each row after each cut
        by_geometry = [kept_of_groups(row) for row in self.layout.rows or ()] or [None] * len(self._left)
        self._left = [left if exact is None else list(exact) for left, exact in zip(self._left, by_geometry)]
        self._keep = torch.tensor(self._left, device=visual.device)
        if any(late > early for row, count in zip(self._left, self.counts) for early, late in zip([count, *row], row)):
            raise ValueError(f"More visual tokens after a cut than before it: {self._left} of {self.counts}.")

    @property
    def kept_counts(self) -> list[int]:
        return self.left_after(self._at)

    def left_after(self, cut: int) -> list[int]:
        """Visual tokens of each row after a cut."""
        return [row[cut] for row in self._left]

    @property
    def keep(self) -> Tensor:
        return self._keep[:, self._at]

    @property
    def keep_per_image(self) -> Tensor | None:
        return None if self._keep_per_image is None else self._keep_per_image[:, :, self._at]

    @property
    def prompt_positions(self) -> Tensor:
        """long (batch, n_visual): columns of the visual tokens that are there before any cut; -1 at the end."""
        there = self.original_positions.gather(1, self.ordinals.clamp(min=0))
        return there.masked_fill(self.ordinals < 0, -1)

    def parts(self) -> list[Part]:
        """The tokens of each prompt, or of each of its pictures and videos, for choosing in one after the other."""
        if self._left_per_image is None:
            return [Part(row, 0, *each) for row, each in enumerate(zip(self.counts, self.kept_counts))]
        found = []
        for row, (images, originals) in enumerate(zip(self._left_per_image, self.layout.group_counts)):
            start = 0
            for left, original in zip(images, originals):
                count = left[self._at - 1] if self._at else original
                found.append(Part(row, start, count, left[self._at]))
                start += count
        return found

    @property
    def kept_counts_per_image(self) -> list[list[int]] | None:
        """``keep_per_image`` as numbers: for each row those of its own pictures and videos."""
        left = self._left_per_image
        return None if left is None else [[counts[self.cut] for counts in row] for row in left]

    @property
    def original_counts(self) -> list[int]:
        """Visual tokens of each row before any cut."""
        return self.layout.counts

    @property
    def cut(self) -> int:
        return self._at - self._first

    @property
    def cuts(self) -> int:
        """How many cuts are made in all."""
        return len(self._left[0]) - self._first if self._of is None else self._of

    def of_cuts(self, first: int, count: int) -> PromptTokens:
        """The same for a method that makes ``count`` cuts, from number ``first`` on, and counts its own alone."""
        part = copy.copy(self)
        part._first, part._of = first, count
        part.memory = self.memory.setdefault(("cuts", first), {})
        return part

    @property
    def drops(self) -> bool:
        """Whether this cut or a later one drops anything."""
        return self.counts != [row[-1] for row in self._left]

    @property
    def images(self) -> Tensor:
        """long (batch, n_visual): the number of each token's picture or video in its row; -1 at the end."""
        return self._of_ordinals(self.layout.images)

    @property
    def grids(self) -> list[list[tuple[int, int, int]] | None]:
        """For each row (frames, rows, columns) of its pictures and videos in order; None where that is unknown."""
        return self.layout.grids

    @property
    def places(self) -> Tensor | None:
        """long (batch, n_visual, 3): (frame, row, column) of each token in its picture or video, -1 for tokens of no
        place, such as a class token. None where the geometry is unknown.
        """
        places = self.layout.places
        return None if places is None else self._of_ordinals(places)

    def _of_ordinals(self, table: Tensor) -> Tensor:
        """Rows of a table over the original visual tokens, (batch, n, ...), for those that are there; -1 at the end."""
        index = self.ordinals.clamp(min=0).view(*self.ordinals.shape, *[1] * (table.dim() - 2))
        absent = (self.ordinals < 0).view(index.shape)
        return torch.take_along_dim(table, index, dim=1).masked_fill(absent, -1)

    def selection(self, choice: Choice) -> Selection | None:
        """The columns that go on; None when this cut drops nothing."""
        if self.kept_counts == self.counts:
            return None
        length = self.visual.shape[1]
        kept = mark(self.positions.masked_fill(~choice.chosen, -1), length)
        dropped = [count - stay for count, stay in zip(self.counts, self.kept_counts)]
        # Rows are brought to one length: first by leaving out padding, and where that is not enough by filling up.
        shortest = length - max(dropped)
        pruned_length = max(shortest, *(text + stay for text, stay in zip(self.texts, self.kept_counts)))
        return Selection.of(
            kept | ~self.visual & ~self.padding, self.padding, pruned_length, fill=shortest < pruned_length
        )

    def after(self, selection: Selection | None, choice: Choice) -> PromptTokens:
        """The same prompt at the next cut, or after the last one."""
        later = copy.copy(self)
        later._at = self._at + 1
        if selection is None:
            return later
        later.counts = self.kept_counts
        most, length = max(later.counts), self.visual.shape[1]
        order = positions_of(choice.chosen, most)
        later.ordinals = self.ordinals.gather(1, order.clamp(min=0)).masked_fill(order < 0, -1)
        kept = mark(self.positions.masked_fill(~choice.chosen, -1), length)
        valid = selection.valid if selection.valid is not None else torch.ones_like(selection.index, dtype=torch.bool)
        later.visual = selection.take(kept, -1) & valid
        later.positions = positions_of(later.visual, most)
        later.padding = selection.take(self.padding, -1) | ~valid
        later.question = selection.take(self.question, -1) & valid
        if self.real is not None or selection.valid is not None:
            later.real = ~later.padding
        return later
