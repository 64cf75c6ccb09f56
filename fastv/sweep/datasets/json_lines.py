"""Lists of questions as JSON Lines: one object a line, with the keys image, question and, where it is known, answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import BadRow, Dataset, columns_of, read_text, sample_of
from fastv.sweep.datasets.media_files import Folder, RowError


def read_json_lines(path: Folder, columns: Mapping[str, str]) -> Dataset:
    """Read a file of one JSON object a line; several right answers are a list, or text with ``|`` between them.

    Parameters
    ----------
    path
        The file.
    columns
        Field -> heading, where the headings are others.

    Raises
    ------
    InvalidInputError
        Where the file cannot be read.
    """
    samples, bad_rows = [], []
    unused: dict[str, None] = {}
    for line, text in enumerate(read_text(path, kind="JSON Lines").split("\n"), 1):
        if not text.strip():
            continue
        try:
            row = _object(text)
            here = {field: name for field, name in columns.items() if name in row}
            found = columns_of(list(row), here)
            samples.append(sample_of({field: row[name] for field, name in found.items()}, path.parent, line))
            unused |= dict.fromkeys(name for name in row if name not in found.values())
        except (RowError, InvalidInputError) as error:
            bad_rows.append(BadRow(line, str(error)))
    return Dataset(tuple(samples), tuple(bad_rows), tuple(unused))


def _object(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowError(f"it is not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise RowError("it is not a JSON object.")
    return row
