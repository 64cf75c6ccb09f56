"""A K x R map as HTML: a grid of real buttons, with lines and markers over it.

It follows the theme, needs no library and no network, can be used by keyboard, and fits any width. A button that
selects a setting carries ``data-k`` and ``data-r``; ``spots.js`` does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from markupsafe import Markup

from fastv.costs.cost_map import Grid
from fastv.formatting import percent
from fastv.presentation.html import render


@dataclass(frozen=True)
class Line:
    """A line over the map through (K, R) points; ``kind`` is its CSS class."""

    kind: str
    spots: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Marker:
    """A named (K, R) on the map."""

    name: str
    k: int
    r: float


@dataclass(frozen=True)
class _Cell:
    """A button of the map, or an empty place where ``text`` is empty."""

    k: int
    r: float
    row: int
    column: int
    text: str
    heat: str
    words: str
    has_note: bool
    chosen: bool
    reached_by_tab: bool


def heat_map(
    grid: Grid,
    texts: Sequence[Sequence[str]],
    heats: Sequence[Sequence[float]],
    *,
    title: str,
    unit: str,
    chosen: tuple[int, float],
    lines: Iterable[Line] = (),
    markers: Sequence[Marker] = (),
    notes: Mapping[tuple[int, float], str] = MappingProxyType({}),
) -> Markup:
    """The K x R map as a grid of buttons.

    Parameters
    ----------
    grid : Grid
        Its rows (K) and columns (R).
    texts : rows x columns of str
        What each cell shows; empty where nothing is known.
    heats : rows x columns of float
        How strong a cell's color is, 0 to 1.
    title : str
        The map's label for screen readers.
    unit : str
        Read after a cell's text by screen readers.
    chosen : (int, float)
        The chosen (K, R), which need not be a cell.
    lines, markers
        Laid over the cells.
    notes : mapping of (K, R) to str
        More about a cell, in its tooltip.
    """
    reached_by_tab = _nearest(grid, texts, chosen)

    def cell(row: int, column: int) -> _Cell:
        k, r, text = grid.rows[row], grid.columns[column], texts[row][column]
        names = [marker.name for marker in markers if (marker.k, round(marker.r, 3)) == (k, r)]
        note = notes.get((k, r), "")
        words = ", ".join([f"K={k}, R={percent(r)}: {text}{unit}", *names, *([note] if note else [])])
        heat = f"{100 * heats[row][column]:.0f}"
        return _Cell(
            k, r, row, column, text, heat, words, bool(note), (k, r) == chosen, (row, column) == reached_by_tab
        )

    rows = [(k, [cell(row, column) for column in range(len(grid.columns))]) for row, k in enumerate(grid.rows)]
    drawn = [{"kind": line.kind, "points": _polyline(grid, line)} for line in lines if line.spots]
    placed = [
        {
            "left": f"{100 * _column(grid, marker.r) / len(grid.columns):.2f}",
            "top": f"{100 * (grid.rows.index(marker.k) + 0.5) / len(grid.rows):.2f}",
        }
        for marker in markers
        if marker.k in grid.rows and grid.columns[0] <= marker.r <= grid.columns[-1]
    ]
    return render(
        "app/shared/heat_map",
        title=title,
        columns=[f"{100 * r:g}" for r in grid.columns],
        rows=rows,
        lines=drawn,
        markers=placed,
    )


def _nearest(grid: Grid, texts: Sequence[Sequence[str]], chosen: tuple[int, float]) -> tuple[int, int]:
    """The cell that Tab reaches: the chosen one, or the nearest that shows something."""
    known = [(i, j) for i in range(len(grid.rows)) for j in range(len(grid.columns)) if texts[i][j]]
    return min(
        known, default=(0, 0), key=lambda at: (abs(grid.rows[at[0]] - chosen[0]), abs(grid.columns[at[1]] - chosen[1]))
    )


def _polyline(grid: Grid, line: Line) -> str:
    """SVG points in cells, extended to the map's edge where the line reaches the first or the last row."""
    spots = [(_column(grid, r), grid.rows.index(k) + 0.5) for k, r in line.spots]
    height = len(grid.rows)
    if spots[0][1] == 0.5:
        spots = [(spots[0][0], 0.0), *spots]
    if spots[-1][1] == height - 0.5:
        spots = [*spots, (spots[-1][0], float(height))]
    return " ".join(f"{x:.3f},{y:.3f}" for x, y in spots)


def _column(grid: Grid, r: float) -> float:
    """Where R lies across the map, in columns; linear between the centers of two."""
    for index in range(len(grid.columns) - 1):
        left, right = grid.columns[index], grid.columns[index + 1]
        if r <= right:
            return index + 0.5 + (r - left) / (right - left)
    return len(grid.columns) - 0.5
