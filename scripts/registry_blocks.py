"""Blocks that list what the project offers: models, methods, measures, commands, switches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from fastv.families.catalogue import CATALOGUE
from fastv.inputs.scoring.base import Measure
from fastv.inputs.scoring.own_function import OwnFunction
from fastv.inputs.scoring.registry import MEASURES
from scripts.block_parts import table


def real_models() -> str:
    """The models of the catalogue that are fetched, and what they take."""
    from fastv.loading.memory_fit import required_bytes

    return table(
        ["`--model`", "on the hub", "download", "memory, 16 bits", "8bit", "4bit", "visual tokens"],
        [
            [
                f"`{entry.key}`",
                entry.repository,
                f"{(entry.download_bytes or 0) / 1e9:.1f} GB",
                *(f"{(required_bytes(entry, dtype) or 0) / 1e9:.1f} GB" for dtype in ("float16", "8bit", "4bit")),
                f"{entry.visual_tokens:,}",
            ]
            for entry in CATALOGUE
            if not entry.embedded
        ],
    )


def methods() -> str:
    """The registered pruning methods."""
    from fastv.pruning.methods.registry import described

    return table(
        ["name", "label", "keeps tokens", "reads", "cuts", "source"],
        [
            [
                f"`{one['name']}`",
                one["label"],
                one["phrase"],
                ", ".join(one["signals"].values()) or "nothing",
                one["cuts"],
                one["paper"] or "",
            ]
            for one in described()
        ],
    )


def measures() -> str:
    """The measures by which a sweep scores answers."""
    described: list[Measure | type[Measure]] = [*MEASURES.values(), OwnFunction]
    rows = [[f"`{one.name}`", one.summary, one.paper] for one in described]
    return table(["`--score`", "what it counts", "source"], rows)


def commands() -> str:
    """The subcommands of ``fastv``."""
    from fastv.cli.registry import COMMANDS

    return table(["command", "what it does"], [[f"`fastv {one.name}`", one.summary] for one in COMMANDS])


def switches() -> str:
    """Every switch of the app."""
    from fastv.app.hosting.settings import Settings, variable

    return table(
        ["switch", "variable", "what it sets"],
        [
            [f"`--{one.name.replace('_', '-')}`", f"`{variable(one.name)}`", one.metadata["help"].replace("|", "\\|")]
            for one in fields(Settings)
        ],
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "real-models": real_models,
    "methods": methods,
    "measures": measures,
    "commands": commands,
    "switches": switches,
}
