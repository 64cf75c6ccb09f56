"""Cost against change in quality as one drawing, with intervals: an SVG without scripts or styles of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fastv.formatting import percent, points
from fastv.presentation.html import render

WIDTH, HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 44
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Mark:
    """One setting.

    Attributes
    ----------
    name : str
        For people.
    cost : float
        As a share of that without pruning.
    change, low, high : float
        Of the score, with its 95% interval; fractions.
    control : bool
        Whether it is there to compare the others with.
    """

    name: str
    cost: float
    change: float
    low: float
    high: float
    control: bool = False


def frontier(marks: Sequence[Mark], cost: str) -> Markup:
    """Draw at least one mark. cost: what it is a share of, for the axis ("FLOPs")."""
    least, most = min(0.0, *(mark.low for mark in marks)), max(0.0, *(mark.high for mark in marks))
    margin = 0.05 * (most - least) or 0.01
    least, most = least - margin, most + margin
    right = max(1.0, *(mark.cost for mark in marks))

    def x(share: float) -> float:
        return round(_LEFT + share / right * (WIDTH - _LEFT - _RIGHT), 1)

    def y(change: float) -> float:
        return round(_TOP + (most - change) / (most - least) * (HEIGHT - _TOP - _BOTTOM), 1)

    step = next((step for step in _STEPS if (most - least) / step <= 6), _STEPS[-1])
    ticks = [number * step for number in range(int(least // step) + 1, int(most // step) + 1)]
    return render(
        "presentation/sweep/frontier",
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=HEIGHT - _BOTTOM,
        top=_TOP,
        axis=f"{cost}, of those without pruning",
        rows=[(y(tick), points(tick), tick == 0) for tick in ticks],
        columns=[(x(share / 4), percent(share / 4)) for share in range(int(4 * right) + 1)],
        marks=[
            {
                "x": x(mark.cost),
                "y": y(mark.change),
                "low": y(mark.low),
                "high": y(mark.high),
                "control": mark.control,
                "told": f"{mark.name}: {percent(mark.cost)} of the {cost}, {points(mark.change)} points",
            }
            for mark in marks
        ],
    )
