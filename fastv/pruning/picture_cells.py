"""The pictures of a prompt cut into as many cells as tokens of them stay."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.families.visual_groups import VisualGroup
from fastv.pruning.prompt_tokens import PromptTokens
from fastv.pruning.scorers.lattice import cells, proportional_shares


class PictureCells(NamedTuple):
    """Of each visual token, by its ordinal in its row.

    Parameters
    ----------
    number : Tensor
        long (batch, n_visual): the number of its cell among all of its row, -1 where it is in none.
    is_middle : Tensor
        boolean (batch, n_visual): whether it stands in its cell's middle; as many as stay.
    """

    number: Tensor
    is_middle: Tensor


def picture_cells(prompt: PromptTokens, who: str) -> PictureCells:
    """Cut each picture and video of a prompt into as many cells as tokens of it stay at the prompt's cut.

    Parameters
    ----------
    who : str
        Names the method in messages.

    Raises
    ------
    UnsupportedModelError
        Where the pictures' rows and columns are not known.
    InvalidInputError
        Where an earlier cut has dropped some of the tokens.
    """
    groups = prompt.layout.rows
    if groups is None:
        raise UnsupportedModelError(
            f"{who} goes by the rows and columns of the image, and where the visual tokens of this model "
            "stand in it is not known. Other methods do not need that."
        )
    if prompt.counts != prompt.original_counts:
        raise InvalidInputError(f"{who} needs all tokens of the image, and some were dropped before it.")
    numbers, middles = [], []
    amounts = prompt.kept_counts_per_image or [_amounts(row, kept) for row, kept in zip(groups, prompt.kept_counts)]
    for row, counts in zip(groups, amounts):
        number, is_middle = _of_row(tuple(row), tuple(counts[: len(row)]))
        missing = prompt.positions.shape[1] - len(number)
        numbers.append(number + [-1] * missing)
        middles.append(is_middle + [False] * missing)
    device = prompt.positions.device
    return PictureCells(
        torch.tensor(numbers, dtype=torch.long).to(device, non_blocking=True),
        torch.tensor(middles, dtype=torch.bool).to(device, non_blocking=True),
    )


def _amounts(row: list[VisualGroup], kept: int) -> list[int]:
    """Shares of the pictures of one row in proportion to their tokens; those without a place count where all stay."""
    placed = [group.frames * group.rows * group.columns for group in row]
    if kept <= sum(placed):
        return proportional_shares(kept, placed)
    without = proportional_shares(kept - sum(placed), [group.tokens - count for group, count in zip(row, placed)])
    return [count + more for count, more in zip(placed, without)]


@lru_cache(maxsize=64)
def _of_row(row: tuple[VisualGroup, ...], amounts: tuple[int, ...]) -> tuple[list[int], list[bool]]:
    numbers: list[int] = []
    is_middle: list[bool] = []
    before = 0  # cells of the pictures before
    for group, amount in zip(row, amounts):
        placed = min(amount, group.frames * group.rows * group.columns)
        made = cells(group.grid, placed) if placed else None
        middles = set(made.middles) if made else set()
        single = before + placed  # the next cell of a token without a place
        for frame, line, column in group.places():
            if frame < 0:
                kept = single < before + amount
                numbers.append(single if kept else -1)
                is_middle.append(kept)
                single += kept
            else:
                place = (frame * group.rows + line) * group.columns + column
                numbers.append(before + made.cell_of[place] if made else -1)
                is_middle.append(place in middles)
        before += amount
    return numbers, is_middle
