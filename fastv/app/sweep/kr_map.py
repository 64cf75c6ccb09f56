"""What each method loses at every K and R of a sweep, as maps that fill in while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from fastv.app.shared.heat_map import heat_map
from fastv.costs.cost_map import Grid
from fastv.formatting import percent, points
from fastv.pruning.methods.registry import METHODS

Row = Mapping[str, Any]

_STRONGEST = 0.55  # of the color: text on it stays readable
_FULL_COLOR = 0.1  # lost share of the answers that gets the strongest color, where no cell loses more


def kr_maps(rows: Sequence[Row]) -> list[tuple[str, Markup]]:
    """(method, map) of each method that was asked at several K and several R.

    A cell shows the change of the score in points, or, where no answer is known, of the agreement with the answers
    without pruning.
    """
    pruned = [row for row in rows if row["method"] in METHODS and METHODS[row["method"]].takes_k]
    losses = {id(row): _loss(row) for row in pruned}
    largest = max([_FULL_COLOR, *losses.values()])
    made = []
    for name in dict.fromkeys(row["method"] for row in pruned):
        cells = {(row["k"], round(row["r"], 3)): row for row in pruned if row["method"] == name}
        ks, rs = (tuple(sorted(set(values))) for values in zip(*cells, strict=True))
        if len(ks) < 2 or len(rs) < 2:
            continue
        grid = Grid(ks, rs, tuple(tuple(-losses[id(cells[k, r])] if (k, r) in cells else None for r in rs) for k in ks))
        texts = [["" if value is None else points(value) for value in line] for line in grid.values]
        heats = [
            [0.0 if value is None else _STRONGEST * max(-value, 0.0) / largest for value in line]
            for line in grid.values
        ]
        notes = {spot: _note(row) for spot, row in cells.items()}
        label = METHODS[name].label
        title = f"Change with {label}, points"
        made.append(
            (label, heat_map(grid, texts, heats, title=title, unit=" points", chosen=(ks[0], rs[0]), notes=notes))
        )
    return made


def _loss(row: Row) -> float:
    if row.get("change"):
        return -float(row["change"]["share"])
    return 1.0 - float(row["same_answer"]["share"])


def _note(row: Row) -> str:
    change = row.get("change")
    if not change:
        return f"{percent(row['same_answer']['share'])} the same answer"
    return f"95% CI {points(change['low'])} to {points(change['high'])}"
