"""A folder, or a zip archive of one, with a table of questions and the pictures it names."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import Dataset
from fastv.sweep.datasets.media_files import Folder

_USUAL = ("questions", "metadata", "annotations", "data")  # names of tables, where a folder has several
_NOT_OURS = ("__MACOSX",)  # what archives of a Mac hold beside the folder
#: Files are read whole into memory: bytes of one, and how many times its packed size one of over 50 MB may be, which
#: tables and pictures stay far below.
_MOST_BYTES, _MOST_TIMES, _LARGE = 2 * 10**9, 100, 50 * 10**6

Reader = Callable[[Folder, Mapping[str, str]], Dataset]
Formats = Mapping[str, Reader]


def table_of(folder: Folder, formats: Formats) -> Folder | None:
    """The table in a folder: the only file of a known format, or the one with a usual name; None where there is none.

    Raises InvalidInputError where several could be meant.
    """
    found = [one for one in folder.iterdir() if one.is_file() and _suffix(one) in formats and one.name[:1] != "."]
    if len(found) > 1:
        named = [one for name in _USUAL for one in found if one.name.lower().startswith(f"{name}.")]
        if not named:
            names = ", ".join(sorted(one.name for one in found)[:10])
            raise InvalidInputError(f"“{folder.name}” holds several tables ({names}): pass the one that is meant.")
        found = named
    return found[0] if found else None


def read_zip(path: Path, formats: Formats, columns: Mapping[str, str]) -> Dataset:
    """Read a zip archive with a table and pictures, at its top or in one folder; nothing is unpacked to disk.

    Raises
    ------
    InvalidInputError
        Where it is damaged, has a password, holds no table, or a file that unpacks to more than memory may hold.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInputError(f"“{path.name}” cannot be read as a zip archive: {error}") from error
    if any(one.flag_bits & 1 for one in archive.infolist()):
        raise InvalidInputError(f"“{path.name}” has a password: save it without one.")
    for one in archive.infolist():
        packed = max(1, one.compress_size)
        if one.file_size > _MOST_BYTES or (one.file_size > _LARGE and one.file_size > _MOST_TIMES * packed):
            raise InvalidInputError(
                f"“{path.name}” unpacks to too much: “{one.filename[:80]}” has {one.file_size / 1e6:,.0f} MB, packed "
                f"in {packed / 1e6:,.1f} MB. Pass the folder itself if it is meant."
            )
    root: Folder = zipfile.Path(archive)
    while (table := table_of(root, formats)) is None:
        inner = [one for one in root.iterdir() if one.name not in _NOT_OURS]
        if len(inner) != 1 or not inner[0].is_dir():
            raise InvalidInputError(f"“{path.name}” holds no table of questions ({', '.join(formats)}) at its top.")
        root = inner[0]
    return formats[_suffix(table)](table, columns)


def _suffix(file: Folder) -> str:
    name: str = file.name
    return name[name.rfind(".") :].lower() if "." in name else ""
