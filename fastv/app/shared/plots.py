"""Plots as HTML: real buttons and text over a few SVG lines.

They follow the theme, need no library and no network, can be used by keyboard, and fit any width. A button that selects
a setting carries ``data-k`` and ``data-r``; ``explorer.js`` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
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
class Dot:
    """A point of a scatter plot.

    ``kind`` holds CSS classes, ``words`` the text of its tip and its label for screen readers, ``interval`` the lower
    and upper end of its error bar.
    """

    x: float
    y: float
    kind: str
    words: str
    model: str
    k: int | None
    r: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Curve:
    """A line through dots of a scatter plot, from left to right; ``kind`` holds its CSS classes."""

    kind: str
    dots: Sequence[Dot]


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


def scatter(
    dots: Sequence[Dot],
    curves: Sequence[Curve],
    *,
    title: str,
    x_title: str,
    y_title: str,
    x_size: float = 1.0,
    x_line: float | None = None,
    labels: Mapping[Dot, str] = MappingProxyType({}),
) -> Markup:
    """A scatter plot: cost to the right, score upwards.

    Parameters
    ----------
    dots : sequence of Dot
        All points, at least one.
    curves : sequence of Curve
        Lines through them. The intervals of a curve's dots become a band around it.
    title, x_title, y_title : str
        The plot's label for screen readers, and its axes.
    x_size : float
        Size of the unit in which the x axis is labeled.
    x_line : float, optional
        The smaller model's cost without FastV, drawn as a vertical line.
    labels : mapping of Dot to str
        Names that stand beside a few of them.
    """
    right = 1.06 * max(dot.x for dot in dots)
    ends = [dot.interval or (dot.y, dot.y) for dot in dots]
    low, high = min(end for end, _ in ends), max(end for _, end in ends)
    margin = 0.08 * (high - low) or 1
    low, high = low - margin, high + margin

    def across(x: float) -> str:
        return f"{100 * x / right:.2f}"

    def up(y: float) -> float:
        return 100 * (y - low) / (high - low)

    def from_top(y: float) -> str:
        return f"{100 - up(y):.2f}"

    x_ticks = [{"at": across(tick * x_size), "text": _plain(tick)} for tick in ticks(0, right / x_size)]
    y_ticks = [{"at": f"{up(y):.2f}", "from_top": from_top(y), "text": _plain(y)} for y in ticks(low, high)]
    intervals = [
        {
            "kind": dot.kind,
            "x": across(dot.x),
            "top": from_top(dot.interval[1]),
            "bottom": from_top(dot.interval[0]),
        }
        for dot in dots
        if dot.interval
    ]
    placed = [
        {
            "kind": dot.kind,
            "left": across(dot.x),
            "bottom": f"{up(dot.y):.2f}",
            "tip_below": up(dot.y) > 60,
            "model": dot.model,
            "k": "" if dot.k is None else dot.k,
            "r": dot.r,
            "words": dot.words,
            "label": labels.get(dot, ""),
            "label_side": "above" if dot.k is not None else "left" if dot.x > 0.6 * right else "right",
        }
        for dot in sorted(dots, key=lambda dot: (dot.x, dot.y))
    ]
    return render(
        "app/shared/scatter",
        title=title,
        x_title=x_title,
        y_title=y_title,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        x_line=None if x_line is None else across(x_line),
        intervals=intervals,
        curves=[
            {
                "kind": curve.kind,
                "points": " ".join(f"{across(dot.x)},{from_top(dot.y)}" for dot in curve.dots),
                "band": " ".join(_band(curve, across, from_top)),
            }
            for curve in curves
            if len(curve.dots) > 1
        ],
        dots=placed,
    )


def _band(curve: Curve, across: Callable[[float], str], from_top: Callable[[float], str]) -> Iterator[str]:
    """The outline of the intervals of a curve's dots: their upper ends, and back along the lower ones."""
    known = [(dot.x, dot.interval) for dot in curve.dots if dot.interval]
    yield from (f"{across(x)},{from_top(interval[1])}" for x, interval in known)
    yield from (f"{across(x)},{from_top(interval[0])}" for x, interval in reversed(known))


def stacked_bars(parts: Sequence[tuple[str, float, float]], sides: tuple[str, str]) -> Markup:
    """Two stacked bars on one scale, without FastV above with FastV.

    Parameters
    ----------
    parts : sequence of (str, float, float)
        Name, amount without and amount with FastV, in the order of the stack.
    sides : (str, str)
        The bars' titles.
    """
    amounts = {"baseline": [part[1] for part in parts], "fastv": [part[2] for part in parts]}
    longest = max(map(sum, amounts.values())) or 1
    bars = [
        {
            "kind": kind,
            "title": title,
            "pieces": [
                {"index": index, "name": parts[index][0], "width": f"{100 * amount / longest:.3f}"}
                for index, amount in enumerate(amounts[kind])
                if amount > 0
            ],
        }
        for kind, title in zip(amounts, sides, strict=True)
    ]
    return render("app/shared/stacked_bars", bars=bars)


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``, roughly ``about`` of them."""
    rough = (high - low) / about
    power = 10 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(count * step, 12) for count in range(ceil(low / step), floor(high / step) + 1)]


def _plain(value: float) -> str:
    return f"{value:.6g}"
