"""What a run costs in three tiles: work, memory and waiting, each with a bar for either side, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fastv.formatting import FLOPS, MEMORY, TIME, Unit, change, number, unit_for
from fastv.measurement.results import Comparison
from fastv.presentation.cost_table import Relative, rows_of
from fastv.presentation.html import render

_NOISE = "too noisy to tell"


@dataclass(frozen=True)
class TileKind:
    """What a tile is about: its CSS name, its title in a word and the rest of it, hint, table row, units."""

    name: str
    title: str
    rest: str
    hint: str
    row: str
    units: tuple[Unit, ...]


KINDS = (
    TileKind(
        "work",
        "Work",
        "to read it",
        "Prefill FLOPs: floating-point operations to read image and question, computed (2 per multiply-add), with "
        "vision tower, projector and lm_head.",
        "Prefill FLOPs",
        FLOPS,
    ),
    TileKind(
        "memory",
        "Memory",
        "per answer",
        "KV cache: keys and values of all tokens, stored until the answer ends. It grows with every token and every "
        "concurrent request, and decides how many requests fit.",
        "KV cache",
        MEMORY,
    ),
    TileKind(
        "wait",
        "Wait",
        "for the first word",
        "Time to first token (prefill): measured, vision tower included. It falls less than the work, which is not all "
        "of the time.",
        "First token",
        TIME,
    ),
)


@dataclass(frozen=True)
class Tile:
    """One tile as it is shown.

    Attributes
    ----------
    headline : str
        What changed, in a few words.
    bars : (float, float) or None
        Of the baseline and the candidate, in percent of the longer; None where nothing is known.
    amounts : str
        The small print.
    is_open : bool
        Whether noise could explain the difference; the candidate's bar is then hatched.
    """

    headline: str
    bars: tuple[float, float] | None
    amounts: str
    is_open: bool = False


NOTHING = Tile("–", None, "")


def tile(kind: TileKind, before: float, after: float) -> Tile:
    """A tile for two amounts that are certain."""
    unit = unit_for((before, after), kind.units)
    amounts = f"{number(before / unit.size)} → {number(after / unit.size)} {unit.name}"
    return Tile(change(before, after) or "the same", _bars(before, after), amounts)


def measured_tile(kind: TileKind, before: float, after: float, relative: Relative) -> Tile:
    """A tile for medians of repeated runs: without a number where noise could explain the difference."""
    made = tile(kind, before, after)
    if relative.is_decided:
        return made
    rounds = f"{relative.rounds} round{'s' if relative.rounds != 1 else ''}"
    words = _NOISE if relative.interval else "one run: cannot tell"
    return Tile(words, (100.0, 100.0), rounds, is_open=True)


def _bars(before: float, after: float) -> tuple[float, float]:
    longest = max(before, after) or 1.0
    return 100 * before / longest, 100 * after / longest


def tiles_of(comparison: Comparison) -> list[Tile]:
    """The three tiles of a finished comparison."""
    rows = {row.title: row for row in rows_of(comparison)}
    made = []
    for kind in KINDS:
        row = rows[kind.row]
        (before, after), relative = row.values, row.relative
        if before is None or after is None or relative is None:
            made.append(NOTHING)
        else:
            made.append(measured_tile(kind, before, after, relative))
    return made


def tiles(shown: Sequence[Tile] = (NOTHING,) * len(KINDS), *, more_rounds: bool = False) -> Markup:
    """The tiles as HTML; without any, empty ones.

    Parameters
    ----------
    shown : sequence of Tile
        One for each of ``KINDS``.
    more_rounds : bool
        Whether an open tile offers more rounds, as a button for the page's script.
    """
    return render("presentation/tiles", tiles=list(zip(KINDS, shown, strict=True)), more_rounds=more_rounds)
