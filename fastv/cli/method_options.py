"""The options that every pruning method takes, as arguments of subcommands."""

from __future__ import annotations

from argparse import Namespace
from typing import Any, Protocol

_NAMES = ("per", "positions", "proportional")


class _Parser(Protocol):
    def add_argument(self, *flags: str, **settings: Any) -> Any: ...


def add_options(parser: _Parser, prefix: str = "") -> None:
    """Add ``--per``, ``--positions`` and ``--proportional``, their names with a prefix."""
    add = parser.add_argument
    add(
        f"--{prefix}per",
        choices=("prompt", "image"),
        default="prompt",
        help="what the amount holds for: all visual tokens of a prompt, or those of each image (default: prompt)",
    )
    add(
        f"--{prefix}positions",
        choices=("keep", "close"),
        default="keep",
        help="whether what is left keeps its positions or is numbered without gaps (default: keep)",
    )
    add(
        f"--{prefix}proportional",
        action="store_true",
        help="let kept tokens stand for the dropped ones in attention",
    )


def options_of(arguments: Namespace, prefix: str = "") -> dict[str, Any]:
    """What was chosen, as ``PruningConfig`` takes it."""
    return {name: getattr(arguments, (prefix + name).replace("-", "_")) for name in _NAMES}
