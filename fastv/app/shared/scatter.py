"""A scatter plot as HTML: dots that are real buttons, and text over a few SVG lines.

It follows the theme, needs no library and no network, can be used by keyboard, and fits any width. A dot that selects
a setting carries ``data-k`` and ``data-r``; ``spots.js`` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from types import MappingProxyType

from markupsafe import Markup

from fastv.presentation.html import render


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
    method: str = ""


@dataclass(frozen=True)
class Curve:
    """A line through dots of a scatter plot, from left to right; ``kind`` holds its CSS classes."""

    kind: str
    dots: Sequence[Dot]


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
    selects: bool = True,
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
    selects : bool
        Whether dots are buttons that select a setting; else they only tell theirs.
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
            "method": dot.method,
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
        selects=selects,
    )


def _band(curve: Curve, across: Callable[[float], str], from_top: Callable[[float], str]) -> Iterator[str]:
    """The outline of the intervals of a curve's dots: their upper ends, and back along the lower ones."""
    known = [(dot.x, dot.interval) for dot in curve.dots if dot.interval]
    yield from (f"{across(x)},{from_top(interval[1])}" for x, interval in known)
    yield from (f"{across(x)},{from_top(interval[0])}" for x, interval in reversed(known))


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``, roughly ``about`` of them."""
    rough = (high - low) / about
    power = 10 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(count * step, 12) for count in range(ceil(low / step), floor(high / step) + 1)]


def _plain(value: float) -> str:
    return f"{value:.6g}"
