"""A claim about the miniatures with the table that shows it. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastv.families.catalogue import find
from fastv.formatting import percent, points
from fastv.stats import Change, holm

LEVEL = 0.05


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes
    ----------
    text : str
    change : Change, optional
        What ``text`` tells, for a plot with its interval.
    verdict : str
        "better" or "worse" where the change is significant after Holm's correction, else empty.
    """

    text: str
    change: Change | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Exhibit:
    """A claim with its table.

    Attributes
    ----------
    question, answer, published : str
        What is asked; what the records say, in a sentence made from them; what was published of LLaVA-1.5.
    unit : str
        Of the cells, and what they are compared with.
    columns : tuple of str
    rows : tuple of (str, tuple of Cell)
        As many cells as columns.
    commands : tuple of str
        That made the records.
    """

    question: str
    answer: str
    published: str
    unit: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    commands: tuple[str, ...]


def corrected(changes: Sequence[Change]) -> list[Cell]:
    """As cells, with verdicts over all of them."""
    verdict = ("better", "worse")
    return [
        Cell(
            f"{points(change.share)} ({points(change.low)} to {points(change.high)})",
            change,
            verdict[change.share < 0] if p < LEVEL else "",
        )
        for change, p in zip(changes, holm([change.p for change in changes]), strict=True)
    ]


def marks(corrected_over: str) -> str:
    """What the signs after a change mean."""
    return f"▲ better, ▼ worse: McNemar's exact p < 0.05, Holm-corrected over {corrected_over}."


def name(model: str) -> str:
    """As people read it."""
    return find(model).name


def rounded(fraction: float) -> str:
    """Percent, to one decimal."""
    return percent(round(fraction, 3))
