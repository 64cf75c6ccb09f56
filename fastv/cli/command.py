"""What a subcommand is made of, and what it hands back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Output:
    """What a subcommand prints on standard output: ``data`` as JSON with ``--json``, otherwise ``text``."""

    data: Any
    text: str


@dataclass(frozen=True)
class Command:
    """One subcommand.

    Parameters
    ----------
    name : str
        The word after ``fastv``.
    summary : str
        One line for ``fastv --help``.
    example : str
        A command that works as it stands in a checkout; shown at the end of ``fastv NAME --help``.
    add_arguments : callable
        Adds the arguments to a parser. Must not import torch: ``--help`` answers at once.
    run : callable
        Does the work. Returns an ``Output``, or None where the command prints by itself. Raises ``FastVError`` with a
        sentence for whatever cannot be done.
    """

    name: str
    summary: str
    example: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], Output | None]
