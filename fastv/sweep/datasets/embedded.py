"""Pictures and videos that a table holds itself, read when they are needed. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import BadRow, Dataset, columns_of, sample_of
from fastv.sweep.datasets.media_files import Folder, RowError

MEDIA = ("image", "video")


@dataclass(frozen=True)
class EmbeddedFile:
    """Bytes in a cell of a table.

    Attributes
    ----------
    name : str
        As the table tells it, otherwise its row.
    read : callable
        Returns the bytes; called each time they are needed.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False, compare=False)

    def read_bytes(self) -> bytes:
        return self.read()


def dataset_of_rows(
    rows: Iterator[Mapping[str, Any]],
    names: list[str],
    cell: Callable[[int, str], Any],
    folder: Folder,
    chosen: Mapping[str, str],
) -> Dataset:
    """The samples of a table whose cells may hold files.

    Parameters
    ----------
    rows
        The values of each row by heading; those of media columns may be without their bytes.
    names
        All headings.
    cell
        Reads one cell with its bytes, given row (from 0) and heading.
    folder
        Where relative paths begin.
    chosen
        Field -> heading, where the headings are others.

    Raises
    ------
    InvalidInputError
        Where a needed column is missing.
    """
    columns = columns_of(names, chosen)
    samples, bad_rows = [], []
    for number, values in enumerate(rows):
        row = {field: values[heading] for field, heading in columns.items()}
        for kind in MEDIA:
            if kind in row:
                row[kind] = _files(row[kind], number, columns[kind], cell)
        try:
            samples.append(sample_of(row, folder, number + 1))
        except RowError as error:
            bad_rows.append(BadRow(number + 1, str(error), "row"))
    unused = tuple(name for name in names if name not in columns.values())
    return Dataset(tuple(samples), tuple(bad_rows), unused)


def _files(value: Any, row: int, heading: str, cell: Callable[[int, str], Any]) -> Any:
    """Cells that hold bytes as files; names of files as they are."""
    if isinstance(value, list):
        return [_file(one, row, heading, partial(_nth, cell, row, heading, index)) for index, one in enumerate(value)]
    return _file(value, row, heading, partial(cell, row, heading))


def _nth(cell: Callable[[int, str], Any], row: int, heading: str, index: int) -> Any:
    return cell(row, heading)[index]


def _file(value: Any, row: int, heading: str, again: Callable[[], Any]) -> Any:
    if isinstance(value, bytes):
        return EmbeddedFile(f"{heading} of row {row + 1}", again)
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return EmbeddedFile(value.get("path") or f"{heading} of row {row + 1}", lambda: again()["bytes"])
    return value.get("path") if isinstance(value, dict) else value


def missing_package(what: str, package: str) -> InvalidInputError:
    """What is said where an optional package is not installed."""
    return InvalidInputError(
        f"{what} needs the package {package}: pip install {package}, or pip install 'fastv-explorer[eval]'."
    )
