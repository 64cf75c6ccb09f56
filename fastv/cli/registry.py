"""The subcommands, in the order of ``fastv --help``. A new one is a module here and one line below."""

from __future__ import annotations

from fastv.cli import advise, app, attention, budget, compare, cost, methods, models, sweep
from fastv.cli.command import Command

COMMANDS: tuple[Command, ...] = (
    compare.COMMAND,
    sweep.COMMAND,
    attention.COMMAND,
    cost.COMMAND,
    budget.COMMAND,
    advise.COMMAND,
    models.COMMAND,
    methods.COMMAND,
    app.COMMAND,
)
