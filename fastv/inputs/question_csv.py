"""Somebody's own pictures and questions, read from a CSV file. No torch."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from fastv.errors import InvalidInputError

_COLUMNS = ("picture", "question")


@dataclass(frozen=True)
class Item:
    """A question about a picture; ``answers``: each of them would be right, none where it is not known."""

    picture: Path
    question: str
    answers: tuple[str, ...] = ()


def read_questions(path: Path) -> list[Item]:
    """The lines of a CSV file (UTF-8) with a heading: picture (a path, from the file's own folder on), question and, where
    it is known, answer; several right ones are separated by ``|``. Other columns are left alone.

    Raises InvalidInputError, with the line, for what cannot be used: nothing should fail an hour into a sweep.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise InvalidInputError(
                    f"“{path.name}” has no column “{missing[0]}”: its first line names the columns, "
                    f"{', '.join(_COLUMNS)} and, where it is known, answer."
                )
            items = [_item(row, path, table.line_num) for row in table]
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidInputError(f"“{path.name}” cannot be read as a CSV file in UTF-8: {error}") from error
    if not items:
        raise InvalidInputError(f"“{path.name}” holds no questions.")
    return items


def _item(row: dict[str, str | None], path: Path, line: int) -> Item:
    picture, question = ((row[name] or "").strip() for name in _COLUMNS)
    if not question:
        raise InvalidInputError(f"“{path.name}”, line {line}: there is no question.")
    if not picture or not (path.parent / picture).is_file():
        raise InvalidInputError(f"“{path.name}”, line {line}: there is no picture “{picture}”.")
    answers = tuple(part.strip() for part in (row.get("answer") or "").split("|") if part.strip())
    return Item(path.parent / picture, question, answers)
