"""Opens the page that compares a model with and without FastV: ``python app.py``, then the address it prints."""

from __future__ import annotations

import sys

from fastv.cli.app import serve_command


def main() -> None:
    raise SystemExit(serve_command(sys.argv[1:], __doc__))


if __name__ == "__main__":
    main()
