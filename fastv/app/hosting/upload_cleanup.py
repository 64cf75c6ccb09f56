"""Keeps uploaded files in a private folder, and deletes them after a while."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

_NAME, _VARIABLE = "fastv-explorer", "GRADIO_TEMP_DIR"
_MOST_BYTES = 2_000_000_000  # of all visitors together
_OFTEN_SECONDS = 60.0
_FORSAKEN_SECONDS = 5 * _OFTEN_SECONDS


def private_folder() -> Path:
    """Creates this process's folder, inside one for all apps of the user, and makes Gradio use it from now on.

    Gradio names files after their content, so two apps in one folder would share files, and the first to stop would
    delete them. Files that survive a crash are found by the next app.
    """
    base = Path(os.environ.get(_VARIABLE) or tempfile.gettempdir())
    base = base.parent if base.parent.name.startswith(_NAME) else base  # set by an earlier call
    owner = os.getuid() if hasattr(os, "getuid") else "app"
    folder = base if base.name.startswith(_NAME) else base / f"{_NAME}-{owner}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(stat.S_IRWXU)  # fails for another user's folder
        taken = folder.is_symlink()
    except OSError:
        taken = True
    if taken:
        folder = Path(tempfile.mkdtemp(prefix=f"{_NAME}-"))
    own = folder.resolve() / str(os.getpid())
    own.mkdir(mode=0o700, exist_ok=True)
    os.environ[_VARIABLE] = str(own)
    return own


def sweep(folder: Path, seconds: float, kept: Collection[str] = (), most_bytes: int = _MOST_BYTES) -> None:
    """Deletes old files and empty folders.

    Parameters
    ----------
    seconds
        The age from which on files are deleted.
    kept
        Files that belong to the page itself, and stay.
    most_bytes
        Of all files together; beyond it, the oldest are deleted too.
    """
    own, now = {str(Path(path).resolve()) for path in kept}, time.time()
    found, folders = [], []
    for place, inner, names in os.walk(folder):
        folders += [Path(place, name) for name in inner]
        for path in (Path(place, name) for name in names):
            try:
                if str(path.resolve()) not in own:
                    found.append((path.lstat().st_ctime, path.lstat().st_size, path))
            except OSError:
                continue
    left = sum(size for _, size, _ in found)
    for made, size, path in sorted(found, key=lambda file: file[0]):
        if now - made <= seconds and left <= most_bytes:
            break
        left -= size
        _gone(path.unlink)
    for inner_first in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        try:
            if now - inner_first.stat().st_mtime > min(seconds, _OFTEN_SECONDS):  # an upload makes its folder first
                inner_first.rmdir()
        except OSError:
            continue


def _gone(remove: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        remove()


def start_cleanup(
    folder: Path, seconds: float, kept: Callable[[], Collection[str]], wanted: Callable[[], bool]
) -> None:
    """Sweeps the folder, and those left beside it by killed apps: at once, then in a thread while ``wanted()``."""
    often = min(_OFTEN_SECONDS, seconds / 4)

    def look(age: float) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.utime(folder)  # shows other apps that this one is alive
        sweep(folder, age, kept())
        for other in _forsaken(folder):
            sweep(other, age)
            _gone(other.rmdir)

    def work() -> None:
        while True:
            time.sleep(often)
            if not wanted():
                return
            look(seconds - 1.1 * often)  # what is younger now is not older than ``seconds`` next time

    look(seconds)
    threading.Thread(target=work, name="sweeper", daemon=True).start()


def _forsaken(folder: Path) -> Iterator[Path]:
    """The folders beside this one whose apps have ended; running apps may keep files for longer."""
    for other in folder.parent.iterdir():
        try:
            still = time.time() - other.lstat().st_mtime
        except OSError:
            continue
        if still > _FORSAKEN_SECONDS and other.is_dir() and not other.is_symlink():
            yield other
