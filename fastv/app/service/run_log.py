"""The operator's log: one line of JSON per run."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastv.errors import FastVError


class RunLog:
    """Writes to a file, to standard error ("-"), or nowhere ("none"). Raises FastVError for an unusable file."""

    def __init__(self, place: str = "none"):
        self._place, self._lock = place, threading.Lock()
        if self._path:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.open("a", encoding="utf-8").close()
            except OSError as error:
                raise FastVError(
                    f"The log cannot be written to {place}: choose another --log. ({error.strerror})"
                ) from error

    @property
    def _path(self) -> Path | None:
        return None if self._place in ("-", "none") else Path(self._place)

    def write(self, **facts: Any) -> None:
        """Writes a line with the time added. Never raises: a run does not fail because of its log."""
        if self._place == "none":
            return
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": moment, **facts}, ensure_ascii=True, default=str) + "\n"
        with self._lock:
            try:
                if self._path is None:
                    sys.stderr.write(line)
                    sys.stderr.flush()
                else:
                    with self._path.open("a", encoding="utf-8") as file:
                        file.write(line)
            except (OSError, ValueError):
                pass
