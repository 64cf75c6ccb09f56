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
from fastv.pruning.index_selection import Selection
from fastv.pruning.prompt_columns import ColumnsLeft, PromptColumns
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
        real = mask.bool() if mask is not None and mask.dim() == 2 and not mask.all() else None
        if real is not None and not real[:, -1].all():
            raise InvalidInputError("The prompt is padded on the right. Pad it on the left (padding_side='left').")
        length, places = visual.shape[1], torch.arange(visual.shape[1], device=visual.device)
        facts = [visual.sum(dim=1), places.masked_fill(~visual, -1).amax(dim=1)]
        facts += [] if real is None else [(real & ~visual).sum(dim=1)]
        counts, last, *texts = torch.stack(facts).tolist()  # at once, as reading waits for the device
        if max(last) == length - 1:
            raise InvalidInputError(
                "The prompt ends with a visual token, and tokens are ranked by the text that follows the image. Add "
                "text after the image, and read the prompt whole, without prefill_chunk_size."
            )
        self.counts: list[int] = counts
        self.texts: list[int] = texts[0] if texts else [length - count for count in counts]
        self.question_length: int = max((length - 1 - place for place in last if place >= 0), default=0)
        self.layout = VisualLayout(visual, counts, groups)
        self._whole = self._columns = PromptColumns(visual, real, counts)
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
    def length(self) -> int:
        """Columns."""
        return self._columns.length

    @property
    def visual(self) -> Tensor:
        return self._columns.visual

    @property
    def real(self) -> Tensor | None:
        return self._columns.real

    @property
    def question(self) -> Tensor:
        return self._columns.question

    @property
    def positions(self) -> Tensor:
        return self._columns.positions

    @property
    def ordinals(self) -> Tensor:
        return self._columns.ordinals

    @property
    def prompt_positions(self) -> Tensor:
        """long (batch, n_visual): columns of the visual tokens that are there before any cut; -1 at the end."""
        return self._columns.prompt_positions

    @property
    def original_positions(self) -> Tensor:
        """long (batch, n): columns of all visual tokens that were there before any cut; -1 at the end."""
        return self._whole.positions

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
        stay = ~self.dropped(choice)
        padding = self._columns.padding
        drops = [count - left for count, left in zip(self.counts, self.kept_counts)]
        # Rows are brought to one length: first by leaving out padding, and where that is not enough by filling up.
        shortest = self.length - max(drops)
        pruned_length = max(shortest, *(text + left for text, left in zip(self.texts, self.kept_counts)))
        stay = stay if padding is None else stay & ~padding
        return Selection.of(stay, padding, pruned_length, fill=shortest < pruned_length)

    def dropped(self, choice: Choice) -> Tensor:
        """boolean (batch, n): columns of the visual tokens that a choice for this cut drops."""
        return self._columns.dropped(choice.chosen)

    def after(self, selection: Selection | None, choice: Choice) -> PromptTokens:
        """The same prompt at the next cut, or after the last one."""
        later = copy.copy(self)
        later._at = self._at + 1
        if selection is not None:
            later.counts = self.kept_counts
            later._columns = ColumnsLeft(self._columns, selection, choice.chosen, later.counts)
        return later
