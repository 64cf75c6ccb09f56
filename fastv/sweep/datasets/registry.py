"""The formats of data sets. To add one: a module beside this one, and its line in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import Dataset
from fastv.sweep.datasets.csv_file import read_csv
from fastv.sweep.datasets.folder import Reader, read_zip, table_of
from fastv.sweep.datasets.hub import is_hub_name, is_saved, read_hub, read_saved
from fastv.sweep.datasets.json_lines import read_json_lines
from fastv.sweep.datasets.parquet_file import read_parquet

#: Suffix of a file's name -> its reader; files of other names are read as CSV.
FORMATS: dict[str, Reader] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
}
_MOST_TOLD = 20  # bad rows that a message lists


def read_dataset(
    path: Path, *, skip_bad_rows: bool = False, columns: Mapping[str, str] = MappingProxyType({})
) -> Dataset:
    """Read a list of questions, in the format that its name tells.

    Parameters
    ----------
    path
        A file, a folder or a zip archive with a table and its pictures, a folder that the library ``datasets`` can
        load, with ``@split`` where it has several, or a name on the Hugging Face hub, ``owner/name[:config][@split]``.
    skip_bad_rows
        Leave rows that cannot be used out, listed in ``Dataset.bad_rows``, in place of refusing the file.
    columns
        Field (image, question, answer, ...) -> heading, where the headings are others.

    Raises
    ------
    InvalidInputError
        For data that cannot be used, with lines and reasons: nothing should fail an hour into a sweep.
    """
    dataset = _read(path, columns)
    bad = dataset.bad_rows
    if bad and (not skip_bad_rows or not dataset.samples):
        listed = "".join(f"\n  {row}" for row in bad[:_MOST_TOLD])
        more = f"\n  and {len(bad) - _MOST_TOLD:,} more" if len(bad) > _MOST_TOLD else ""
        what = f", {bad[0]}" if len(bad) == 1 else f" has {len(bad):,} rows that cannot be used:{listed}{more}"
        raise InvalidInputError(f"“{path.name}”{what}")
    if not dataset.samples:
        raise InvalidInputError(f"“{path.name}” holds no questions.")
    return dataset


def _read(path: Path, columns: Mapping[str, str]) -> Dataset:
    suffix = path.suffix.lower()
    if path.is_dir():
        table = table_of(path, FORMATS)
        if table is not None and not (table.suffix.lower() == ".parquet" and is_saved(path)):
            return _read(table, columns)
        if is_saved(path):
            return read_saved(path, None, columns)
        raise InvalidInputError(f"“{path.name}” cannot be read: it holds no table of questions ({', '.join(FORMATS)}).")
    if suffix == ".zip":
        return read_zip(path, FORMATS, columns)
    if not path.exists() and suffix not in FORMATS:
        name, _, split = path.name.rpartition("@")
        if name and path.with_name(name).is_dir():
            return read_saved(path.with_name(name), split, columns)
        if is_hub_name(path.as_posix()):
            return read_hub(path.as_posix(), columns)
    return FORMATS.get(suffix, read_csv)(path, columns)
