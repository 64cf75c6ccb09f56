"""``fastv methods``: the pruning methods, as their registry describes them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fastv.cli.command import Command, Output
from fastv.families.catalogue import find
from fastv.pruning.methods.registry import described
from fastv.pruning.unserved import described_for


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="also say what this model cannot do (a name of fastv models, or a model folder)",
    )


def _run(arguments: Namespace) -> Output:
    data = described() if arguments.model is None else described_for(find(arguments.model))
    parts = []
    for one in data:
        lines = [f"{one['name']}: {one['label']}", f"  keeps tokens {one['phrase']}", f"  cuts {one['cuts']}"]
        if one["signals"]:
            lines.append(f"  reads {', '.join(one['signals'].values())}")
        if one["paper"]:
            lines.append(f"  paper: {one['paper']}")
        if one["limits"]:
            lines.append(f"  limits: {one['limits']}")
        if one.get("unserved"):
            lines.append(f"  not for {arguments.model}: {one['unserved']}")
        parts.append("\n".join(lines))
    for name, reason in (data[0].get("unserved_options") or {}).items():
        parts.append(f"The option {name} is not for {arguments.model}: {reason}.")
    return Output(data, "\n\n".join(parts))


COMMAND = Command(
    "methods",
    "list the pruning methods: what each reads, where it cuts, and its paper",
    "fastv methods --model internvl3.5-1b",
    _add_arguments,
    _run,
)
