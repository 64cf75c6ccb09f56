"""Progress on standard error: one line that is rewritten on a terminal, and nothing where it is a file or a pipe."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO


class ProgressLine:
    """Shows how far a command is; a context manager that clears its line at the end."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = sys.stderr if stream is None else stream
        self._shown = ""

    def show(self, text: str) -> None:
        """Replaces what is shown by ``text``, one line of at most 100 characters."""
        text = " ".join(text.split())[:100]
        if self._stream.isatty() and text != self._shown:
            self._stream.write(f"\r\033[K{text}")
            self._stream.flush()
            self._shown = text

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()
