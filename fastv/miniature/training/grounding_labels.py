"""Where a question names a thing or a place, and what is true of it in the scene: what most answers follow from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from fastv.miniature.world.scenes import NO_LABEL, SIDE, Scene
from fastv.miniature.world.vocabulary import CATEGORIES, CELLS, NAMES, plural

DIGITS = 3  # on a sign, at most


@dataclass(frozen=True)
class Mention:
    """A thing or category named at token ``at`` of a question: how many there are, in which cells (indices), and if
    there is but one, its centre as shares of the picture's sides and the number it shows."""

    at: int
    count: int
    cells: tuple[int, ...]
    centre: tuple[float, float] | None
    number: str | None


@dataclass(frozen=True)
class Place:
    """A cell named at tokens up to ``at``: 0 if it is empty, 1 + the index in NAMES of what is there, NO_LABEL if it is
    several.
    """

    at: int
    content: int


class Reader:
    """Finds what a question's tokens name; picklable."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        def ids(words: str) -> list[int]:
            return tokenizer(f" {words}", add_special_tokens=False).input_ids

        self.nouns = {ids(word)[0]: noun for noun in (*NAMES, *CATEGORIES) for word in (noun, plural(noun))}
        self.cells = {tuple(ids(cell)): cell for cell in CELLS}

    def mentions(self, made: Scene, tokens: list[int]) -> list[Mention]:
        """Every naming of a kind, of a category or of the sign."""
        return [_mention(made, at, self.nouns[token]) for at, token in enumerate(tokens) if token in self.nouns]

    def places(self, made: Scene, tokens: list[int]) -> list[Place]:
        """Every naming of a cell; at a place in two words, at the second."""
        found = []
        for at in range(len(tokens)):
            cell = self.cells.get(tuple(tokens[at : at + 2])) or self.cells.get((tokens[at],))
            if cell:
                names = {thing.name for thing in made.things if thing.cell == cell}
                content = 0 if not names else 1 + NAMES.index(next(iter(names))) if len(names) == 1 else NO_LABEL
                found.append(Place(at + (1 if " " in cell else 0), content))
        return found


def _mention(made: Scene, at: int, noun: str) -> Mention:
    meant = [thing for thing in made.things if noun in (thing.name, thing.category)]
    only = meant[0] if len(meant) == 1 else None
    return Mention(
        at,
        len(meant),
        tuple({CELLS.index(thing.cell) for thing in meant}),
        None if only is None else (only.centre[0] / SIDE, only.centre[1] / SIDE),
        None if only is None else only.number,
    )


@dataclass(frozen=True)
class Facts:
    """The mentions and places of a packed batch, and what is true of them.

    rows, columns: int64 (w,), where a thing is named; counts: int64 (w,); cells: float32 (w, 9), 1 where there is one;
    centres: float32 (w, 2), NaN unless there is just one; digits: int64 (w, 3), 1 + the digit, 0 after the last,
    NO_LABEL where there is no number. place_rows, place_columns, contents: int64 (p,), where a cell is named and what
    is in it.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    counts: torch.Tensor
    cells: torch.Tensor
    centres: torch.Tensor
    digits: torch.Tensor
    place_rows: torch.Tensor
    place_columns: torch.Tensor
    contents: torch.Tensor


def facts(mentions: list[tuple[int, int, Mention]], places: list[tuple[int, int, Place]]) -> Facts:
    """(row, column in the packed sequence, what is named there) -> tensors."""
    named = [mention for *_, mention in mentions]
    cells = torch.zeros(len(named), len(CELLS))
    centres = torch.full((len(named), 2), float("nan"))
    digits = torch.full((len(named), DIGITS), NO_LABEL)
    for index, mention in enumerate(named):
        cells[index, list(mention.cells)] = 1
        if mention.centre:
            centres[index] = torch.tensor(mention.centre)
        if mention.number:
            digits[index] = torch.tensor(
                [1 + int(digit) for digit in mention.number] + [0] * (DIGITS - len(mention.number))
            )

    def column(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long)

    return Facts(
        column([row for row, *_ in mentions]),
        column([at for _, at, _ in mentions]),
        column([mention.count for mention in named]),
        cells,
        centres,
        digits,
        column([row for row, *_ in places]),
        column([at for _, at, _ in places]),
        column([place.content for *_, place in places]),
    )
