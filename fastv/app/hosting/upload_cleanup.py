"""Visitors' files: in a folder of this app's own, which nobody else on the machine can read, and not for long."""

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
_MOST_BYTES = 2_000_000_000  # of all visitors together; the oldest go first
_OFTEN_SECONDS = 60.0
_FORSAKEN_SECONDS = 5 * _OFTEN_SECONDS


def private_folder() -> Path:
    """The folder Gradio is to use from now on: this process's, in the one of all apps of a user.

    Gradio names files after what they hold, so that in one folder two apps would have files in common, and the first to
    stop would take them along. What survives a crash is found by the next app.
    """
    base = Path(os.environ.get(_VARIABLE) or tempfile.gettempdir())
    base = base.parent if base.parent.name.startswith(_NAME) else base  # one that was chosen here before
    owner = os.getuid() if hasattr(os, "getuid") else "app"
    folder = base if base.name.startswith(_NAME) else base / f"{_NAME}-{owner}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(stat.S_IRWXU)  # refused for a folder of somebody else, who was there first
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
    """Removes what is older than ``seconds``, the oldest beyond ``most_bytes`` too, and folders left empty.

    kept: files that belong to the page itself, and stay.
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
    for place in sorted(folders, key=lambda place: len(place.parts), reverse=True):
        try:
            if now - place.stat().st_mtime > min(seconds, _OFTEN_SECONDS):  # an upload makes its folder first
                place.rmdir()
        except OSError:
            continue


def _gone(remove: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        remove()


def start_cleanup(
    folder: Path, seconds: float, kept: Callable[[], Collection[str]], wanted: Callable[[], bool]
) -> None:
    """Sweeps the folder, and those beside it that a killed app has left, at once, and then in a thread for as long as it
    is wanted. kept: asked each time.
    """
    often = min(_OFTEN_SECONDS, seconds / 4)

    def look(age: float) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.utime(folder)  # a sign of life
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
    """The folders beside this one without a sign of life; others' are theirs, who may keep files for longer."""
    for other in folder.parent.iterdir():
        try:
            still = time.time() - other.lstat().st_mtime
        except OSError:
            continue
        if still > _FORSAKEN_SECONDS and other.is_dir() and not other.is_symlink():
            yield other
