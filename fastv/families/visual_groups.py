"""How the visual tokens of a prompt divide into pictures and videos, and where in them each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

NOWHERE = (-1, -1, -1)


@dataclass(frozen=True)
class VisualGroup:
    """A picture's or a video's visual tokens: frame after frame, in each row after row.

    Parameters
    ----------
    frames, rows, columns
        The grid of visual tokens; a picture has one frame.
    lead
        Tokens before those of each frame that belong to no place.
    row_end
        Tokens after those of each row that belong to no place.
    """

    frames: int
    rows: int
    columns: int
    lead: int = 0
    row_end: int = 0

    @property
    def tokens(self) -> int:
        return self.frames * (self.lead + self.rows * (self.columns + self.row_end))

    @property
    def grid(self) -> tuple[int, int, int]:
        return self.frames, self.rows, self.columns

    def places(self) -> list[tuple[int, int, int]]:
        """(frame, row, column) of each token, -1 three times for one that belongs to no place."""
        found: list[tuple[int, int, int]] = []
        for frame in range(self.frames):
            found += [NOWHERE] * self.lead
            for row in range(self.rows):
                found += [(frame, row, column) for column in range(self.columns)] + [NOWHERE] * self.row_end
        return found


def in_prompt_order(input_ids: Tensor, groups: Mapping[int, Sequence[VisualGroup]]) -> list[VisualGroup] | None:
    """Pictures and videos as they stand in the prompts, row after row.

    Parameters
    ----------
    input_ids : Tensor
        long (batch, n); rows that ``generate`` repeated, for beams, have their groups once.
    groups : mapping
        Token that stands for visual tokens in ``input_ids`` -> the groups it stands for, in their order.

    Returns
    -------
    list of VisualGroup or None
        None where tokens and groups do not fit each other.
    """
    given = {token: list(those) for token, those in groups.items() if those}
    if len(given) == 1:
        return next(iter(given.values()))
    rows = [[token for token in row if token in given] for row in input_ids.tolist()]
    total = sum(group.tokens for those in given.values() for group in those)
    repeats = max(1, sum(map(len, rows)) // total) if total else 1
    ordered: list[VisualGroup] = []
    left = 0  # of the group whose tokens are being read
    for token in (token for row in rows[::repeats] for token in row):
        if left == 0:
            if not given[token]:
                return None
            ordered.append(given[token].pop(0))
            left = ordered[-1].tokens
        left -= 1
    return ordered if left == 0 else None


def by_rows(groups: Sequence[VisualGroup], counts: Sequence[int]) -> list[list[VisualGroup]] | None:
    """Divide groups among the rows of a batch by their counts of visual tokens.

    Rows that ``generate`` repeated, for beams, share the groups of the one they come from. None where they do not fit.
    """
    total = sum(group.tokens for group in groups)
    repeats, rest = divmod(sum(counts), total) if total else (0, 1)
    if rest or not repeats or len(counts) % repeats:
        return None
    remaining, rows = list(groups), []
    for count in counts[::repeats]:
        row: list[VisualGroup] = []
        while count > 0 and remaining:
            row.append(remaining.pop(0))
            count -= row[-1].tokens
        if count:
            return None
        rows += [row] * repeats
    same = all(sum(group.tokens for group in row) == count for row, count in zip(rows, counts))
    return rows if same and not remaining else None
