"""Cost against quality: which points nothing else beats, and the literature's points to put on such a chart.

A point is worth having when no other is both cheaper and better. Costs of different axes must not be mixed, so a set of
series always belongs to one of ``AXES``, and its scores to one benchmark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastv import published
from fastv.cost import prefill_flops
from fastv.errors import InvalidInputError
from fastv.shapes import REFERENCE_CONFIGS

#: What may stand on the cost axis -> its title, which names the convention.
AXES = {
    "total": "Prefill FLOPs of all decoder layers (paper's formula, computed for 36 + 576 tokens)",
    "per-layer": "FLOPs of one decoder layer on average (paper's formula, as printed in its Table 1)",
    "ratio": "FLOPs as a share of the same model without FastV (paper's formula, as printed)",
    "seconds": "Seconds to the first token (A100, fp16, as published in the official README)",
}
#: What may stand on the quality axis -> its title.
BENCHMARKS = {**published.TABLE1_BENCHMARKS, "video": "Video: TGIF, MSVD, MSRVTT (average accuracy, fraction)"}

_TABLE1 = "FastV paper, Table 1"
_LATENCY = "official README"


@dataclass(frozen=True)
class Point:
    """One (K, R) of a model; ``k`` is None without FastV. ``cost`` and ``quality`` are in the units of its axes."""

    model: str
    k: int | None
    r: float
    cost: float
    quality: float


@dataclass(frozen=True)
class Series:
    """The points of one model from one source."""

    model: str
    source: str
    points: tuple[Point, ...]


def efficient(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other beats or equals at no more cost and no less quality, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.quality)):
        if not best or point.quality > best[-1].quality:
            best.append(point)
    return tuple(best)


def available(axis: str, benchmark: str) -> str | None:
    """None where published points have this cost and this score; else a sentence saying which have."""
    if axis not in AXES or benchmark not in BENCHMARKS:
        raise InvalidInputError(f"There are no points of {benchmark!r} over {axis!r}.")
    if axis == "seconds" and benchmark != "aokvqa_acc":
        return "Times to the first token were published with the A-OKVQA score only."
    if benchmark == "video" and axis != "ratio":
        return "The video results were published with the share of FLOPs only."
    return None


def series(axis: str, benchmark: str) -> tuple[Series, ...]:
    """The published series with this cost and this score; none where ``available`` says why."""
    if available(axis, benchmark) is not None:
        return ()
    if benchmark == "video":
        return _grouped("FastV paper, video question answering",
                        [Point(row.model, row.k, row.r, row.flops_ratio, row.average) for row in published.video()])
    if axis == "seconds":
        return _grouped(_LATENCY, [Point(row.model, row.k, row.r, row.first_token_seconds, row.aokvqa_acc)
                                   for row in published.latency()
                                   if row.source == _LATENCY and row.precision == "fp16"])
    points = []
    for row in published.table1():
        if axis == "total" and row.model not in REFERENCE_CONFIGS:
            continue  # Qwen-VL-Chat's printed figure does not follow from the formula, so no total of it is known
        cost = {"total": lambda: prefill_flops(REFERENCE_CONFIGS[row.model], k=row.k, r=row.r),
                "per-layer": lambda: 1e9 * row.flops_per_layer_b, "ratio": lambda: row.flops_ratio}[axis]()
        points.append(Point(row.model, row.k, row.r, cost, getattr(row, benchmark)))
    return _grouped(_TABLE1, points)


def _grouped(source: str, points: list[Point]) -> tuple[Series, ...]:
    models = dict.fromkeys(point.model for point in points)
    return tuple(Series(model, source, tuple(point for point in points if point.model == model)) for model in models)
