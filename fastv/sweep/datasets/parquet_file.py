"""Lists of questions as Parquet, with pictures beside the file or in it (bytes, or ``datasets``' bytes and path)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import Dataset
from fastv.sweep.datasets.embedded import dataset_of_rows, missing_package
from fastv.sweep.datasets.media_files import Folder


def read_parquet(path: Folder, columns: Mapping[str, str]) -> Dataset:
    """Read a Parquet file with the columns image, question and, where it is known, answer.

    Its pictures stay in the file until they are needed, one row group at a time.

    Parameters
    ----------
    path
        The file.
    columns
        Field -> heading, where the headings are others.

    Raises
    ------
    InvalidInputError
        Where pyarrow is missing, and where the file cannot be read or has no such columns.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise missing_package("A Parquet file", "pyarrow") from error
    try:
        file = ParquetFile(path.open("rb"))
        groups = range(file.metadata.num_row_groups)
        ends = list(accumulate(file.metadata.row_group(group).num_rows for group in groups))

        @lru_cache(maxsize=2)
        def column(group: int, heading: str) -> Any:
            return file.read_row_group(group, columns=[heading]).column(heading)

        def cell(row: int, heading: str) -> Any:
            group = bisect_right(ends, row)
            return column(group, heading)[row - (ends[group - 1] if group else 0)].as_py()

        def rows() -> Iterator[dict[str, Any]]:
            for group in groups:
                yield from file.read_row_group(group).to_pylist()

        return dataset_of_rows(rows(), file.schema_arrow.names, cell, path.parent, columns)
    except InvalidInputError as error:
        raise InvalidInputError(f"“{path.name}”: {error}") from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InvalidInputError(f"“{path.name}” cannot be read as Parquet: {error}") from error
