"""The generated block of docs/exhibit.md: what FastV costs, and on what, from the committed records."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastv.evidence.exhibit import Cell, Exhibit, exhibits

_MARKS = {"better": " ▲", "worse": " ▼", "": ""}


def exhibit() -> str:
    """A section for each claim."""
    return "\n\n".join(_section(one) for one in exhibits())


def _section(one: Exhibit) -> str:
    lines = [["", *one.columns], ["---"] * (1 + len(one.columns))]
    lines += [[label, *map(_cell, cells)] for label, cells in one.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    made = ", ".join(f"`{command}`" for command in one.commands)
    return "\n\n".join(
        (
            f"## {one.question}",
            one.answer,
            one.unit,
            table,
            f"**LLaVA-1.5, published:** {one.published}",
            f"Made by {made}.",
        )
    )


def _cell(cell: Cell) -> str:
    return f"{cell.text}{_MARKS[cell.verdict]}"


BLOCKS: Mapping[str, Callable[[], str]] = {"exhibit": exhibit}
