"""Parses the command line and runs one subcommand.

Exit codes: 0 done; 1 refused, with a sentence on standard error; 2 wrong usage; 130 stopped by Ctrl+C. Results go to
standard output, progress and complaints to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fastv import __version__
from fastv.cli.command import Command
from fastv.cli.registry import COMMANDS
from fastv.errors import FastVError

DONE, REFUSED, STOPPED = 0, 1, 130
_DESCRIPTION = """\
Visual token pruning for vision-language models: compare answers with and without it, and
compute what they cost.

K is the decoder layer (counted from 0) before which visual tokens are dropped; R is the
fraction dropped, from 0 to 1."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script. Ends the process with the exit code."""
    raise SystemExit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Runs one subcommand and returns its exit code. Raises SystemExit for ``--help`` and wrong usage."""
    parsed = parser().parse_args(arguments)
    command: Command = parsed.command
    try:
        output = command.run(parsed)
        if output is not None:
            print(json.dumps(output.data, ensure_ascii=False, indent=2) if parsed.json else output.text, flush=True)
    except FastVError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED
    return DONE


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = argparse.ArgumentParser(
        prog="fastv",
        description=_DESCRIPTION,
        epilog=f"Example:\n  {COMMANDS[0].example}\n\nfastv COMMAND --help describes one command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"fastv-explorer {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            epilog=f"Example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(one)
        one.add_argument("--json", action="store_true", help="print JSON: seconds, bytes, FLOPs and fractions")
        one.set_defaults(command=command)
    return top
