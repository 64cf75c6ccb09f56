from __future__ import annotations

import random

import pytest

from fastv.errors import InvalidInputError
from fastv.evidence.pareto import AXES, BENCHMARKS, Point, available, efficient, series


def points(seed: int, count: int = 60) -> list[Point]:
    """Few distinct values, so that ties are common."""
    rng = random.Random(seed)
    return [Point("m", 1, 0.5, rng.randrange(12), rng.randrange(12)) for _ in range(count)]


def beats(one: Point, other: Point) -> bool:
    return (
        one.cost <= other.cost
        and one.quality >= other.quality
        and (one.cost, one.quality) != (other.cost, other.quality)
    )


@pytest.mark.parametrize("seed", range(20))
def test_nothing_beats_an_efficient_point_and_something_beats_or_equals_every_other(seed):
    all_ = points(seed)
    best = efficient(all_)
    assert best and set(best) <= set(all_)
    assert not any(beats(one, other) for one in all_ for other in best)
    assert all(any(beats(one, other) or one == other for one in best) for other in all_)


@pytest.mark.parametrize("seed", range(5))
def test_the_line_rises_and_the_order_of_the_points_does_not_matter(seed):
    all_ = points(seed)
    best = efficient(all_)
    assert all(one.cost < other.cost and one.quality < other.quality for one, other in zip(best, best[1:]))
    shuffled = all_[:]
    random.Random(seed).shuffle(shuffled)
    assert efficient(shuffled) == best == efficient(best)


def test_no_points_no_line():
    assert efficient([]) == ()


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_axis_has_points_or_a_reason(axis, benchmark):
    found = series(axis, benchmark)
    assert bool(found) == (available(axis, benchmark) is None)
    for one in found:
        assert one.source and all(point.model == one.model and point.cost > 0 for point in one.points)
        assert sum(point.k is None for point in one.points) == 1


@pytest.mark.parametrize("axis, benchmark", [("time", "average"), ("total", "vqa"), (["total"], "average")])
def test_unknown_axes_are_refused(axis, benchmark):
    with pytest.raises((InvalidInputError, TypeError)):
        available(axis, benchmark)


def test_the_paper_s_duel_turns_round_between_per_layer_and_total():
    def duel(axis):
        found = [point for one in series(axis, "average") for point in one.points]
        by_point = {(point.model, point.k, point.r): point.cost for point in found}
        return by_point["llava-1.5-13b", 2, 0.5] / by_point["llava-1.5-7b", None, 0.0]

    assert duel("per-layer") < 0.86 and round(duel("total"), 3) == 1.065
    seconds = {
        (point.k, point.r): point.cost
        for one in series("seconds", "aokvqa_acc")
        for point in one.points
        if one.model == "llava-1.5-13b"
    }
    assert seconds[2, 0.5] > 0.138 > seconds[2, 0.75]  # what the 7B takes lies between
