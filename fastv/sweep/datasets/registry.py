"""The formats of data sets. To add one: a module beside this one, and its line in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import Dataset
from fastv.sweep.datasets.csv_file import read_csv
from fastv.sweep.datasets.json_lines import read_json_lines

#: Suffix of a file's name -> its reader; files of other names are read as CSV.
FORMATS: dict[str, Callable[[Path], Dataset]] = {
    ".csv": read_csv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
_MOST_TOLD = 20  # bad rows that a message lists


def read_dataset(path: Path, *, skip_bad_rows: bool = False) -> Dataset:
    """Read a list of questions, in the format that its suffix tells.

    Parameters
    ----------
    path
        The file.
    skip_bad_rows
        Leave rows that cannot be used out, listed in ``Dataset.bad_rows``, in place of refusing the file.

    Raises
    ------
    InvalidInputError
        For a file that cannot be used, with lines and reasons: nothing should fail an hour into a sweep.
    """
    dataset = FORMATS.get(path.suffix.lower(), read_csv)(path)
    bad = dataset.bad_rows
    if bad and (not skip_bad_rows or not dataset.samples):
        listed = "".join(f"\n  {row}" for row in bad[:_MOST_TOLD])
        more = f"\n  and {len(bad) - _MOST_TOLD:,} more" if len(bad) > _MOST_TOLD else ""
        what = f", {bad[0]}" if len(bad) == 1 else f" has {len(bad):,} rows that cannot be used:{listed}{more}"
        raise InvalidInputError(f"“{path.name}”{what}")
    if not dataset.samples:
        raise InvalidInputError(f"“{path.name}” holds no questions.")
    return dataset
