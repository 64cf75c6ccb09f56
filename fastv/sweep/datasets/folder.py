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
        Where it is damaged, has a password, or holds no table.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInputError(f"“{path.name}” cannot be read as a zip archive: {error}") from error
    if any(one.flag_bits & 1 for one in archive.infolist()):
        raise InvalidInputError(f"“{path.name}” has a password: save it without one.")
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
