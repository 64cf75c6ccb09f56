"""Plots as HTML: real buttons and text over a few SVG lines. They follow the theme, need no library and no network, can
be reached by keyboard, and fit any width. A spot to choose carries data-k and data-r; explorer.js does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from types import MappingProxyType

from fastv.costs.cost_map import Grid
from fastv.formatting import percent


@dataclass(frozen=True)
class Line:
    """A line over the map: ``kind`` is a CSS class, ``spots`` are (K, R)."""

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
    """A point of the frontier. ``kind``: CSS classes; ``words``: what it is, for the tip and for screen readers.

    interval: the lower and upper end of the line drawn through it.
    """

    x: float
    y: float
    kind: str
    words: str
    model: str
    k: int | None
    r: float
    interval: tuple[float, float] | None = None


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
) -> str:
    """The K x R map as a grid of buttons.

    texts: what each cell shows, empty where nothing is known. heats: how strong its colour is, 0 to 1. unit: what is
    said after the text to those who hear the map. notes: what more is said of a cell, by (K, R).
    """
    stop = _nearest(grid, texts, chosen)
    head = "".join(f'<th scope="col">{100 * r:g}<span class="percent">%</span></th>' for r in grid.columns)
    body = []
    for i, k in enumerate(grid.rows):
        cells = "".join(
            _cell(k, r, texts[i][j], heats[i][j], (i, j), unit, chosen, stop, markers, notes.get((k, r), ""))
            for j, r in enumerate(grid.columns)
        )
        body.append(f'<tr><th scope="row">{k}</th>{cells}</tr>')
    return (
        f'<div class="plane" style="--rows:{len(grid.rows)}"><table role="grid" aria-label="{escape(title)}">'
        f'<thead><tr><th scope="col"><span class="hidden-words">K, by R in percent</span>'
        f'<span aria-hidden="true">K \\ R</span></th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>{_overlay(grid, lines, markers)}</div>"
    )


def _cell(
    k: int,
    r: float,
    text: str,
    heat: float,
    place: tuple[int, int],
    unit: str,
    chosen: tuple[int, float],
    stop: tuple[int, int],
    markers: Sequence[Marker],
    note: str,
) -> str:
    if not text:
        return '<td role="gridcell" class="unknown"><span class="hidden-words">not published</span></td>'
    names = "".join(f", {marker.name}" for marker in markers if (marker.k, round(marker.r, 3)) == (k, r))
    words = escape(f"K={k}, R={percent(r)}: {text}{unit}{names}{note and f', {note}'}")
    title = f' title="{words}"' if note else ""
    return (
        f'<td role="gridcell" style="--heat:{100 * heat:.0f}%"><button type="button" data-k="{k}" data-r="{r}" '
        f'data-row="{place[0]}" data-column="{place[1]}" tabindex="{0 if place == stop else -1}" '
        f'aria-pressed="{"true" if (k, r) == chosen else "false"}" aria-label="{words}"{title}>{text}</button>'
        "</td>"
    )


def _nearest(grid: Grid, texts: Sequence[Sequence[str]], chosen: tuple[int, float]) -> tuple[int, int]:
    """The cell that Tab reaches: the chosen one, or the nearest there is."""
    known = [(i, j) for i in range(len(grid.rows)) for j in range(len(grid.columns)) if texts[i][j]]
    return min(
        known, default=(0, 0), key=lambda at: (abs(grid.rows[at[0]] - chosen[0]), abs(grid.columns[at[1]] - chosen[1]))
    )


def _overlay(grid: Grid, lines: Iterable[Line], markers: Iterable[Marker]) -> str:
    """Lines and markers laid over the cells; they say nothing that the buttons and the legend do not say."""
    width, height = len(grid.columns), len(grid.rows)
    shapes = []
    for line in lines:
        spots = [(_column(grid, r), grid.rows.index(k) + 0.5) for k, r in line.spots]
        if spots:
            # To the edge of the map where it reaches the first or the last row.
            spots = [(spots[0][0], 0.0)] * (spots[0][1] == 0.5) + spots
            spots += [(spots[-1][0], float(height))] * (spots[-1][1] == height - 0.5)
            points = " ".join(f"{x:.3f},{y:.3f}" for x, y in spots)
            shapes.append(f'<polyline class="{line.kind}" points="{points}"/>')
    marks = "".join(
        f'<i class="marker" style="left:{100 * _column(grid, marker.r) / width:.2f}%;'
        f'top:{100 * (grid.rows.index(marker.k) + 0.5) / height:.2f}%"></i>'
        for marker in markers
        if marker.k in grid.rows and grid.columns[0] <= marker.r <= grid.columns[-1]
    )
    return (
        f'<div class="overlay" aria-hidden="true"><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
        f"{''.join(shapes)}</svg>{marks}</div>"
    )


def _column(grid: Grid, r: float) -> float:
    """Where R is across the map, in columns; straight between the centres of two."""
    for index in range(len(grid.columns) - 1):
        left, right = grid.columns[index], grid.columns[index + 1]
        if r <= right:
            return index + 0.5 + (r - left) / (right - left)
    return len(grid.columns) - 0.5


def scatter(
    dots: Sequence[Dot],
    joined: Sequence[Dot],
    *,
    title: str,
    x_title: str,
    y_title: str,
    x_size: float = 1.0,
    x_line: float | None = None,
) -> str:
    """Cost to the right, quality upwards. joined: the efficient dots. x_size: of one unit that the axis shows.

    x_line: the cost of the 7B without FastV, drawn as a line.
    """
    right = 1.06 * max(dot.x for dot in dots)
    ends = [dot.interval or (dot.y, dot.y) for dot in dots]
    low, high = min(end for end, _ in ends), max(end for _, end in ends)
    room = 0.08 * (high - low) or 1
    low, high = low - room, high + room

    def across(x: float) -> float:
        return 100 * x / right

    def up(y: float) -> float:
        return 100 * (y - low) / (high - low)

    x_ticks = [x * x_size for x in ticks(0, right / x_size)]
    y_ticks = ticks(low, high)
    grid = "".join(f'<line x1="{across(x):.2f}" x2="{across(x):.2f}" y1="0" y2="100"/>' for x in x_ticks)
    grid += "".join(f'<line x1="0" x2="100" y1="{100 - up(y):.2f}" y2="{100 - up(y):.2f}"/>' for y in y_ticks)
    path = " ".join(f"{across(dot.x):.2f},{100 - up(dot.y):.2f}" for dot in joined)
    seven = (
        ""
        if x_line is None
        else (f'<line class="seven-b" x1="{across(x_line):.2f}" x2="{across(x_line):.2f}" y1="0" y2="100"/>')
    )
    reaches = "".join(
        f'<line class="{dot.kind}" x1="{across(dot.x):.2f}" x2="{across(dot.x):.2f}" '
        f'y1="{100 - up(dot.interval[1]):.2f}" y2="{100 - up(dot.interval[0]):.2f}"/>'
        for dot in dots
        if dot.interval
    )
    numbers = "".join(f'<span class="x" style="left:{across(x):.2f}%">{_plain(x / x_size)}</span>' for x in x_ticks)
    numbers += "".join(f'<span class="y" style="bottom:{up(y):.2f}%">{_plain(y)}</span>' for y in y_ticks)
    spots = "".join(
        _dot(dot, index, across(dot.x), up(dot.y))
        for index, dot in enumerate(sorted(dots, key=lambda dot: (dot.x, dot.y)))
    )
    return (
        f'<div class="scatter"><p class="axis">↑ {escape(y_title)}</p><div class="plot" role="group" '
        f'aria-label="{escape(title)}"><svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<g class="grid">{grid}</g>{seven}<g class="reach">{reaches}</g>'
        f'<polyline class="efficient" points="{path}"/></svg>'
        f'<div class="ticks" aria-hidden="true">{numbers}</div>{spots}</div>'
        f'<p class="axis below">{escape(x_title)} →</p></div>'
    )


def _dot(dot: Dot, index: int, left: float, bottom: float) -> str:
    words = escape(dot.words)
    k = "" if dot.k is None else dot.k
    side = "under" if bottom > 60 else "over"
    return (
        f'<button type="button" class="dot {dot.kind}" style="left:{left:.2f}%;bottom:{bottom:.2f}%" data-row="0" '
        f'data-column="{index}" data-model="{escape(dot.model)}" data-k="{k}" data-r="{dot.r}" '
        f'tabindex="{-1 if index else 0}" aria-label="{words}"></button>'
        f'<span class="tip {side}" aria-hidden="true" style="--x:{left:.2f}%;--y:{bottom:.2f}%">{words}</span>'
    )


def stacked_bars(parts: Sequence[tuple[str, float, float]], sides: tuple[str, str]) -> str:
    """Two bars of one scale, baseline above FastV. parts: (name, amount without, amount with), in their order."""
    longest = max(sum(part[side] for part in parts) for side in (1, 2)) or 1
    bars = []
    for side, (kind, title) in enumerate(zip(("baseline", "fastv"), sides), start=1):
        pieces = "".join(
            f'<span class="piece piece-{index}" style="width:{100 * part[side] / longest:.3f}%" '
            f'title="{escape(part[0])}"></span>'
            for index, part in enumerate(parts)
            if part[side] > 0
        )
        bars.append(
            f'<p class="bar-title {kind}">{escape(title)}</p><div class="bar {kind}" aria-hidden="true">{pieces}</div>'
        )
    return f'<div class="bars">{"".join(bars)}</div>'


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from low to high, about as many as asked for."""
    rough = (high - low) / about
    power = 10 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(count * step, 12) for count in range(ceil(low / step), floor(high / step) + 1)]


def _plain(value: float) -> str:
    return f"{value:.6g}"
