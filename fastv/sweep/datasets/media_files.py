"""Files with pictures and videos, as the rows of a data set name or hold them. No torch."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Protocol

from fastv.validation import shown

Folder = Any  # a path on disk, or ``zipfile.Path`` inside an archive


class MediaFile(Protocol):
    """A file with a picture or a video: a path, one in an archive, or bytes in a table."""

    @property
    def name(self) -> str: ...

    def read_bytes(self) -> bytes: ...


class RowError(Exception):
    """A row that cannot be used; its text is the reason."""


def files_of(folder: Folder, value: Any, kind: str) -> list[MediaFile]:
    """The files that a cell names or holds; none for an empty one."""
    several = value if isinstance(value, list | tuple) else [value]
    found: list[MediaFile] = []
    for one in several:
        if hasattr(one, "read_bytes"):
            found.append(one)
        elif isinstance(one, str) and one.strip():
            found += _named_files(folder, one.strip(), kind)
        elif one is not None and not isinstance(one, str):
            raise RowError(f"there is no {kind} in {shown(one)}: write the name of a file.")
    return found


def _named_files(folder: Folder, text: str, kind: str) -> list[MediaFile]:
    """One file, or several with ``|`` between their names, which a name itself may hold too."""
    names = [name.strip() for name in text.split("|") if name.strip()]
    if len(names) > 1 and _existing(folder, text) is None:
        return [_file(folder, name, kind) for name in names]
    return [_file(folder, text, kind)]


def _file(folder: Folder, text: str, kind: str) -> MediaFile:
    if re.match(r"[a-z]+://", text, re.IGNORECASE):
        raise RowError(f"the {kind} “{text[:80]}” is an address: save it to a file.")
    found = _existing(folder, text)
    if found is None:
        raise RowError(f"there is no {kind} “{text[:80]}”.")
    return found


def _existing(folder: Folder, text: str) -> MediaFile | None:
    """The file of a name, which may be in another Unicode normal form, as file systems write them."""
    slashes = text.replace("\\", "/")
    for name in (text, *(unicodedata.normalize(form, one) for one in (text, slashes) for form in ("NFC", "NFD"))):
        try:
            if (folder / name).is_file():
                return folder / name
        except (OSError, ValueError):  # no name of a file at all
            break
    return None
