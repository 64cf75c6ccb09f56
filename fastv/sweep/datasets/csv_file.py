"""Lists of questions as CSV, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import BadRow, Dataset, columns_of, read_text, sample_of
from fastv.sweep.datasets.media_files import Folder, RowError

_TYPOGRAPHIC = {"“": "”", "„": "“”", "«": "»", "»": "«", "「": "」"}  # opening mark -> those that close it
_DELIMITERS = (",", ";", "\t")
_DECLARED = re.compile(r'"?sep=(.)"?\s*')  # Excel's own first line


def read_csv(path: Folder, columns: Mapping[str, str]) -> Dataset:
    """Read a CSV file whose first line names the columns: image, question and, where it is known, answer.

    Rows of empty cells are skipped. Relative paths of images begin at the file's folder.

    Parameters
    ----------
    path
        The file.
    columns
        Field -> heading, where the headings are others.

    Raises
    ------
    InvalidInputError
        Where the file cannot be read, has no such columns, or has quotation marks out of order, with the line: they
        leave in doubt where the rows after them begin.
    """
    lines = io.StringIO(read_text(path, kind="CSV"), newline="").readlines()
    declared = _DECLARED.fullmatch(lines[0]) if lines else None
    skipped = 1 if declared else 0
    try:
        delimiter = declared.group(1) if declared else _delimiter(lines, columns)
        rows = _rows(lines[skipped:], delimiter, first=skipped + 1)
        _, heading, _ = next(rows, (1, [], 1))
        found = columns_of(heading, columns)
        places = {field: heading.index(name) for field, name in found.items()}
        samples, bad_rows = [], []
        for line, cells, last in rows:
            try:
                if any(cell.strip() for cell in cells[len(heading) :]):
                    raise RowError(
                        f"it has {len(cells)} cells and the heading {len(heading)}: put a text that holds the "
                        'separator in straight quotation marks ("...").'
                    )
                if any(_is_half_quoted(cell) for cell in cells):
                    raise RowError('typographic quotation marks do not delimit a cell: use straight ones ("...").')
                row = {field: cells[place] for field, place in places.items() if place < len(cells)}
                sample = sample_of(row, path.parent, line)
            except RowError as error:
                bad_rows.append(BadRow(line, str(error)))
                continue
            _check_continuation(
                lines[line:last],
                delimiter,
                line,
                len(heading),
                places.get("image", places.get("video", 0)),
                path.parent,
            )
            samples.append(sample)
    except InvalidInputError as error:
        raise InvalidInputError(f"“{path.name}”: {error}") from error
    unused = tuple(name.strip() for name in heading if name.strip() and name not in found.values())
    return Dataset(tuple(samples), tuple(bad_rows), unused)


def _delimiter(lines: Sequence[str], columns: Mapping[str, str]) -> str:
    """The separator under which the heading has the required columns; of several or none, that of most columns."""
    heading = next((line for line in lines if line.strip()), "")
    split = {delimiter: next(csv.reader([heading], delimiter=delimiter), []) for delimiter in _DELIMITERS}
    for delimiter, names in split.items():
        try:
            columns_of(names, columns)
        except InvalidInputError:
            continue
        return delimiter
    return max(_DELIMITERS, key=lambda delimiter: len(split[delimiter]))


def _rows(lines: Sequence[str], delimiter: str, *, first: int) -> Iterator[tuple[int, list[str], int]]:
    """The line a row begins in, its cells, and the line it ends in; empty rows are left out. first: the first line."""
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        begin = reader.line_num
        try:
            cells = next(reader, None)
        except csv.Error as error:
            opened = next((number for number in range(begin, reader.line_num) if lines[number].count('"') % 2), begin)
            raise InvalidInputError(
                f"line {first + opened}: a quotation mark is not closed, or stands inside a quoted text without being "
                f"doubled ({error})."
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield first + begin, cells, first + reader.line_num - 1


def _is_half_quoted(cell: str) -> bool:
    """Whether a typographic quotation mark opens the cell and does not close in it: a separator cut the text."""
    text = cell.strip()
    closing = _TYPOGRAPHIC.get(text[:1], "")
    return bool(closing) and not any(mark in text[1:] for mark in closing)


def _check_continuation(
    lines: Sequence[str], delimiter: str, line: int, cells: int, image: int, folder: Folder
) -> None:
    """Refuse a quoted text that runs over lines that are rows themselves: its closing mark was forgotten.

    lines: those of the row after its first one.
    """
    for text in lines:
        alone = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
        if len(alone) == cells and alone[image].strip() and (folder / alone[image].strip()).is_file():
            raise InvalidInputError(
                f"line {line}: a quotation mark is not closed, so the row would include the lines after it."
            )
