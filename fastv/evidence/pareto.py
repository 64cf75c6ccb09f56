"""Cost against quality: published and measured points, and the Pareto frontier among them.

A point is on the frontier when no other is at least as good and at most as costly. Costs of different axes are not
comparable, so a set of series always belongs to one of ``AXES`` and one of ``BENCHMARKS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastv.costs.flops import prefill_flops
from fastv.errors import InvalidInputError
from fastv.evidence import published
from fastv.evidence.measurements import Measured, MeasuredPoint, all_measured
from fastv.families.catalogue import REFERENCE_CONFIGS

#: What may stand on the cost axis -> its title, which names the convention.
AXES = {
    "total": "Prefill FLOPs of all decoder layers (paper's formula, computed for 36 + 576 tokens)",
    "per-layer": "FLOPs of one decoder layer on average (paper's formula, as printed in its Table 1)",
    "ratio": "FLOPs as a share of the same model without FastV (paper's formula, as printed)",
    "seconds": "Time to first token in seconds (A100, fp16, as published in the official README)",
}
#: The same where this project measured the scores.
_MEASURED_AXES = {
    "total": "Prefill FLOPs of all decoder layers (paper's formula, mean over the questions' prompts)",
    "per-layer": "FLOPs of one decoder layer on average (paper's formula, mean over the questions' prompts)",
    "ratio": "Prefill FLOPs as a share of the same model without FastV (paper's formula, decoder layers)",
    "seconds": "Time to first token in seconds",
}
SCENES = "scenes"
#: What may stand on the quality axis -> its title.
BENCHMARKS = {
    **published.TABLE1_BENCHMARKS,
    "video": "Video: TGIF, MSVD, MSRVTT (average accuracy, fraction)",
    SCENES: "Drawn scenes: questions answered correctly (%, measured here)",
}

_TABLE1 = "FastV paper, Table 1"
_LATENCY = "official README"


@dataclass(frozen=True)
class Point:
    """One (K, R) of a model; ``k`` is None without FastV. ``cost`` and ``quality`` are in the units of its axes.

    Only of measured points: the 95% interval of ``quality``, and the pruning method.
    """

    model: str
    k: int | None
    r: float
    cost: float
    quality: float
    interval: tuple[float, float] | None = None
    method: str | None = None


@dataclass(frozen=True)
class Series:
    """The points of one model from one source."""

    model: str
    source: str
    points: tuple[Point, ...]


def efficient(points: Iterable[Point]) -> tuple[Point, ...]:
    """The Pareto frontier, cheapest first; of equal points one."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.quality)):
        if not best or point.quality > best[-1].quality:
            best.append(point)
    return tuple(best)


def lines(found: Iterable[Series]) -> dict[tuple[str, str | None], tuple[Point, ...]]:
    """The frontier of each model and method, from its cheapest point to the model without pruning.

    (model, method) -> points, cheapest first; the models without pruning stand under ("", None).
    """
    made: dict[tuple[str, str | None], tuple[Point, ...]] = {}
    plain: list[Point] = []
    for one in found:
        whole = [point for point in one.points if point.k is None]
        plain += whole
        for method in dict.fromkeys(point.method for point in one.points if point.k is not None):
            own = [point for point in one.points if point.k is not None and point.method == method]
            made[one.model, method] = efficient([*own, *whole])
    return {**made, ("", None): tuple(sorted(plain, key=lambda point: point.cost))}


def at_the_cost_of(small: Point, found: Iterable[Series]) -> Point | None:
    """The point of another model with the best score among those that cost no more than ``small``."""
    within = [point for one in found for point in one.points if point.model != small.model and point.cost <= small.cost]
    return max(within, key=lambda point: point.quality, default=None)


def available(axis: str, benchmark: str) -> str | None:
    """None where there are points with this cost and score; else a sentence that says why not."""
    if axis not in AXES or benchmark not in BENCHMARKS:
        raise InvalidInputError(f"There are no points of {benchmark!r} over {axis!r}.")
    if benchmark == SCENES:
        return _why_none_measured(axis)
    if axis == "seconds" and benchmark != "aokvqa_acc":
        return "Time to first token was published only with the A-OKVQA score."
    if benchmark == "video" and axis != "ratio":
        return "The video results were published only with FLOPs relative to no pruning."
    return None


def benchmark_for(axis: str, benchmark: str) -> str:
    """The score to show over a cost: ``benchmark``, or the first that has points over it."""
    if available(axis, benchmark) is None:
        return benchmark
    return next((other for other in BENCHMARKS if available(axis, other) is None), benchmark)


def axis_for(benchmark: str, axis: str) -> str:
    """The cost to show a score over: ``axis``, or the first that has points with it."""
    if available(axis, benchmark) is None:
        return axis
    return next((other for other in AXES if available(other, benchmark) is None), axis)


def axis_title(axis: str, benchmark: str) -> str:
    """The title of the cost axis, with its convention."""
    if benchmark != SCENES:
        return AXES[axis]
    if axis == "seconds" and all_measured():
        return f"{_MEASURED_AXES[axis]} (measured on {_places()[0]})"
    return _MEASURED_AXES[axis]


def series(axis: str, benchmark: str) -> tuple[Series, ...]:
    """The series with this cost and score; none where ``available`` says why."""
    if available(axis, benchmark) is not None:
        return ()
    if benchmark == SCENES:
        return tuple(
            Series(one.model, "measured here", tuple(_point(one, point, axis) for point in one.points))
            for one in all_measured().values()
        )
    if benchmark == "video":
        return _grouped(
            "FastV paper, video question answering",
            [Point(row.model, row.k, row.r, row.flops_ratio, row.average) for row in published.video()],
        )
    if axis == "seconds":
        return _grouped(
            _LATENCY,
            [
                Point(row.model, row.k, row.r, row.first_token_seconds, row.aokvqa_acc)
                for row in published.latency()
                if row.source == _LATENCY and row.precision == "fp16"
            ],
        )
    points = []
    for row in published.table1():
        if axis == "total" and row.model not in REFERENCE_CONFIGS:
            continue  # Qwen-VL-Chat's printed figure does not follow from the formula, so no total of it is known
        cost = {
            "total": lambda: prefill_flops(REFERENCE_CONFIGS[row.model], k=row.k, r=row.r),  # noqa: B023
            "per-layer": lambda: 1e9 * row.flops_per_layer_b,  # noqa: B023
            "ratio": lambda: row.flops_ratio,  # noqa: B023
        }[axis]()
        points.append(Point(row.model, row.k, row.r, cost, getattr(row, benchmark)))
    return _grouped(_TABLE1, points)


def _grouped(source: str, points: list[Point]) -> tuple[Series, ...]:
    models = dict.fromkeys(point.model for point in points)
    return tuple(Series(model, source, tuple(point for point in points if point.model == model)) for model in models)


def _why_none_measured(axis: str) -> str | None:
    if not all_measured():
        return (
            "Nothing has been measured on the drawn scenes yet: “python -m fastv.miniature.evaluation mini-7 "
            "--grid” does it."
        )
    if axis == "seconds" and len(_places()) > 1:
        return f"The models were timed in different places: {'; '.join(_places())}."
    return None


def _places() -> list[str]:
    """The distinct places where times were taken."""
    found = (
        f"{one.machine['device']}, {one.machine['threads']} threads, {one.dtype}" for one in all_measured().values()
    )
    return list(dict.fromkeys(found))


def _point(one: Measured, point: MeasuredPoint, axis: str) -> Point:
    cost = {
        "total": point.paper_prefill_flops,
        "per-layer": point.paper_prefill_flops / one.layers,
        "ratio": point.paper_prefill_flops / one.unpruned.paper_prefill_flops,
        "seconds": one.seconds(point),
    }[axis]
    score = one.score(point)
    return Point(
        one.model, point.k, point.r, cost, 100 * score.share, (100 * score.low, 100 * score.high), point.method
    )
