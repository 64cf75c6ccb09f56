"""``fastv app``: serves the page. ``python app.py`` in a checkout does the same."""

from __future__ import annotations

import json
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import NoReturn

from fastv.app.hosting import settings as switches
from fastv.app.hosting.settings import Settings
from fastv.cli.command import Command
from fastv.errors import FastVError


def serve_command(arguments: Sequence[str], description: str | None = None) -> int:
    """Serves the page for a command line of its own; returns the exit code."""
    settings = switches.parse_command_line(arguments, os.environ, description)
    try:
        serve(settings)
    except FastVError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(settings: Settings, *, as_json: bool = False) -> None:
    """Serves the page until the process is told to stop. Raises FastVError where it cannot start."""
    from fastv.app.hosting import gradio_import, malloc
    from fastv.app.platforms import zerogpu

    malloc.limit_arenas(os.environ)
    gradio_import.skip_type_stubs()
    zerogpu.import_first(os.environ)
    from fastv.app import launch  # imports Gradio, which takes seconds, and --help needs none

    app = launch.start(settings)
    signal.signal(signal.SIGTERM, _end)
    print(json.dumps({"address": app.address}) if as_json else f"Open {app.address}", flush=True)
    app.page.block_thread()


def _end(*_: object) -> NoReturn:
    """Ends as Ctrl+C does, so that visitors' files go with the app."""
    raise KeyboardInterrupt


def _add_arguments(parser: ArgumentParser) -> None:
    switches.add_arguments(parser)
    parser.set_defaults(refuse=parser.error)


def _run(arguments: Namespace) -> None:
    serve(switches.from_arguments(vars(arguments), os.environ, arguments.refuse), as_json=arguments.json)


COMMAND = Command(
    "app",
    "open the page that compares answers side by side in a browser",
    "fastv app --model mini-7 --port 7860",
    _add_arguments,
    _run,
)
