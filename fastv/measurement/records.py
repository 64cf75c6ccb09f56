"""Record files: JSON Lines that are written as results come, survive being killed, and go on where they were.

The first line is a header with the settings that all records share; each further line is one record. A line is written
whole and synced before the next result is computed, so that at most the last line of a file is incomplete: it is
dropped when the file is opened again. A file of other settings is refused and left as it is.

Files of earlier versions, one JSON object whose ``points`` are the records, are read too, and rewritten as lines when
they are opened for writing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from fastv.errors import InvalidInputError

try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind
    fcntl = None  # type: ignore[assignment]

HASH = "settings_hash"

Record = dict[str, Any]


class RecordFile:
    """A record file that is open for writing; use ``RecordFile.open`` in a ``with``.

    Attributes
    ----------
    path : Path
    header : dict
        As it stands in the file.
    records : list of dict
        All complete records, those that were there before first.
    """

    def __init__(self, path: Path, header: Record, records: list[Record], descriptor: int):
        self.path, self.header, self.records = path, header, records
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path, header: Mapping[str, Any], *, free: Collection[str] = ()) -> RecordFile:
        """Open a file to add records to, or create it.

        Parameters
        ----------
        path
            The file. Its folder must exist.
        header
            The settings, JSON values only. An existing file must have the same.
        free
            Names of header fields that may differ in an existing file, whose own values then stay.

        Raises
        ------
        InvalidInputError
            For a file that holds no records, one of other settings, and one that another process is writing.
        OSError
            Where it cannot be read or written.
        """
        wanted = with_hash(header, free=free)
        if path.exists() and _is_earlier_version(data := path.read_bytes()):
            found, records, _ = _parsed(path, data)
            check_same(path, found, wanted, free=free)
            write(path, found, records)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _lock(descriptor, path)
            data = path.read_bytes()
            if _line(wanted).startswith(data):  # new, empty, or ended within its first line
                found, records, end = wanted, [], 0
            else:
                found, records, end = _parsed(path, data)
                check_same(path, found, wanted, free=free)
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, 0, os.SEEK_END)
            opened = cls(path, found, records, descriptor)
            if not end:
                opened._append(wanted)
        except BaseException:
            os.close(descriptor)
            raise
        return opened

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record; when this returns it is on the disk."""
        plain = _plain(record)
        self._append(plain)
        self.records.append(plain)

    def _append(self, record: Mapping[str, Any]) -> None:
        data = _line(record)
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Let other processes write the file; nothing can be added afterwards."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> tuple[Record, list[Record]]:
    """The header and all complete records of a file. Raises as ``RecordFile.open``."""
    header, records, _ = _parsed(path, path.read_bytes())
    return header, records


def write(path: Path, header: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> None:
    """Write a whole file at once; whatever happens meanwhile, ``path`` is either the file before or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.writelines(map(_line, (header, *records)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def settings_hash(header: Mapping[str, Any], *, free: Collection[str] = ()) -> str:
    """16 hexadecimal digits that differ where any setting but the free ones differs."""
    settings = {name: value for name, value in header.items() if name not in (HASH, *free)}
    text = json.dumps(settings, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_hash(header: Mapping[str, Any], *, free: Collection[str] = ()) -> Record:
    """A header as it is written: with its hash, and in JSON's types."""
    return _plain(header) | {HASH: settings_hash(header, free=free)}


def _line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=False) + "\n").encode()


def _plain(record: Mapping[str, Any]) -> Record:
    """As it comes back from the file: tuples as lists."""
    return json.loads(json.dumps(record))


def _parsed(path: Path, data: bytes) -> tuple[Record, list[Record], int]:
    """Header, records, and how many bytes of the file are complete lines."""
    if _is_earlier_version(data):
        whole = json.loads(data)
        return whole, whole.pop("points"), len(data)
    *lines, cut = data.split(b"\n")
    end = len(data) - len(cut)
    found: list[Record] = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("no JSON object")
        except ValueError as error:
            if found and number == len(lines):  # after a loss of power even a line that ends can be damaged
                end -= len(line) + 1
                break
            what = f"line {number} is damaged" if found else "it holds no records of this program"
            raise InvalidInputError(f"{path} cannot be used, {what}: remove it, or write to another file.") from error
        found.append(record)
    if not found:
        raise InvalidInputError(f"{path} holds no records of this program: remove it, or write to another file.")
    return found[0], found[1:], end


def _is_earlier_version(data: bytes) -> bool:
    """Whether a file is one JSON object with all records in it."""
    try:
        return isinstance(json.loads(data)["points"], list)
    except (ValueError, KeyError, TypeError):
        return False


def check_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], *, free: Collection[str] = ()) -> None:
    """Raise InvalidInputError, naming the field, unless a header has the wanted settings but for the free ones."""
    wanted = _plain(wanted)
    for name in wanted:
        if name not in (HASH, *free) and found.get(name) != wanted[name]:
            raise InvalidInputError(
                f"{path} was written with other settings ({name} differs): remove it, or write to another file."
            )


def _lock(descriptor: int, path: Path) -> None:
    """Keep other processes from adding to the file until the descriptor is closed."""
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InvalidInputError(
            f"{path} is being written by another process: wait for it, or write to another file."
        ) from error
    except OSError:  # a file system without locks
        pass
