"""``fastv methods``: the pruning methods, as their registry describes them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fastv.cli.command import Command, Output
from fastv.pruning.methods.registry import described


def _add_arguments(parser: ArgumentParser) -> None:
    pass


def _run(arguments: Namespace) -> Output:
    data = described()
    parts = []
    for one in data:
        lines = [f"{one['name']}: {one['label']}", f"  keeps tokens {one['phrase']}", f"  cuts {one['cuts']}"]
        if one["signals"]:
            lines.append(f"  reads {', '.join(one['signals'].values())}")
        if one["paper"]:
            lines.append(f"  paper: {one['paper']}")
        if one["limits"]:
            lines.append(f"  limits: {one['limits']}")
        parts.append("\n".join(lines))
    return Output(data, "\n\n".join(parts))


COMMAND = Command(
    "methods",
    "list the pruning methods: what each reads, where it cuts, and its paper",
    "fastv methods --json",
    _add_arguments,
    _run,
)
