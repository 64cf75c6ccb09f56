"""Numbers as people read them: milliseconds, mebibytes, GFLOPs, percentages and ratios."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date as date_type
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit: its size in seconds, bytes, FLOPs or tokens, and the least amount it is used for."""

    name: str
    size: float
    least: float


TIME = (Unit("ms", 1e-3, 0), Unit("s", 1, 10))
MEMORY = (Unit("KiB", 2**10, 0), Unit("MiB", 2**20, 2**20), Unit("GiB", 2**30, 10 * 2**30))
FLOPS = (Unit("MFLOPs", 1e6, 0), Unit("GFLOPs", 1e9, 1e9), Unit("TFLOPs", 1e12, 1e12))
COUNT = (Unit("", 1, 0),)


def unit_for(amounts: Iterable[float], units: tuple[Unit, ...]) -> Unit:
    """One unit for all amounts, so that they compare at a glance: the largest that suits the largest of them."""
    most = max(amounts)
    return [unit for unit in units if most >= unit.least][-1]


def number(value: float) -> str:
    """Three significant digits, more only before the point: ``0.123``, ``12.3``, ``1,234``."""
    if isinstance(value, int) or abs(value) >= 99.95:
        return f"{value:,.0f}"
    decimals = 1 if abs(value) >= 9.995 else 2 if abs(value) >= 0.9995 else 3
    return f"{value:,.{decimals}f}"


def sized(value: float, unit: str) -> str:
    """An amount of "FLOPs", "bytes" or "seconds" with the unit that suits it."""
    chosen = unit_for([value], {"FLOPs": FLOPS, "bytes": MEMORY, "seconds": TIME}[unit])
    return f"{number(value / chosen.size)} {chosen.name}"


def points(share: float) -> str:
    """A change in percentage points, with its sign: ``+1.2``, ``−0.5``."""
    return f"{100 * share:+.1f}".replace("-", "−")


def percent(fraction: float) -> str:
    """``50%``, ``53.7%``."""
    return f"{100 * fraction:.1f}".removesuffix(".0") + "%"


def day(date: str) -> str:
    """``3 Nov 2026`` for a date in ISO 8601."""
    return date_type.fromisoformat(date).strftime("%d %b %Y").removeprefix("0")


def budget(k: int | None, r: float) -> str:
    """``K=2, R=50%``; without K for methods that do not take it."""
    return f"R={percent(r)}" if k is None else f"K={k}, R={percent(r)}"


def times(share: float) -> str:
    """``0.62×``"""
    return f"{share:.2f}×"


def change(baseline: float, fastv: float) -> str:
    """``38% less``, ``3% more``; empty where the two differ by less than half a percent."""
    share = round(100 * (1 - fastv / baseline)) if baseline else 0
    return f"{abs(share)}% {'less' if share > 0 else 'more'}" if share else ""
