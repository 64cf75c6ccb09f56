"""Opens the page that compares a model with and without FastV: ``python app.py``, then the address it prints."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from fastv.app.hosting import malloc
from fastv.app.hosting.settings import parse_command_line
from fastv.app.platforms import zerogpu


def main() -> None:
    settings = parse_command_line(sys.argv[1:], os.environ, __doc__)
    malloc.limit_arenas(os.environ)
    zerogpu.import_first(os.environ)
    from fastv.app import launch  # libraries take seconds to import, and --help needs none

    try:
        app = launch.start(settings)
    except launch.NotServed as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    signal.signal(signal.SIGTERM, _end)
    print(f"Open {app.address}", flush=True)
    app.page.block_thread()


def _end(*_: object) -> NoReturn:
    """Ends as Ctrl+C does, so that visitors' files go with the app."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
