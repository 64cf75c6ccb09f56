"""Where any setting lies among known points of cost and score. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastv.evidence.pareto import Point, Series
from fastv.pruning.config import PruningConfig


@dataclass(frozen=True)
class SettingPoint:
    """A setting's cost and score.

    Attributes
    ----------
    point : Point
    is_known : bool
        Whether it was measured or published; else it lies on the line between the two known R beside it, at the same K
        and by the same method, and has no interval.
    """

    point: Point
    is_known: bool


def setting_point(found: Iterable[Series], model: str, pruning: PruningConfig) -> SettingPoint | None:
    """The point of a setting; None where nothing is known at its K and method, or only of smaller R, and where the
    method has options, with which nothing was measured.
    """
    own = [point for one in found for point in one.points if point.model == model]
    whole = [point for point in own if point.k is None]
    # At K = 0 there is no attention to rank by: what is known there was dropped at random. Published points name no
    # method.
    method = pruning.chosen_by
    at_random = pruning.k == 0 and method == "random"
    methods = {method, None} if at_random or method == "fastv" else {method}
    same = [point for point in own if point.k == pruning.k and point.method in methods]
    if not whole or (pruning.r and (pruning.options or not same)):
        return None
    known = sorted([*whole, *same], key=lambda point: point.r)
    for point in known:
        if abs(point.r - pruning.r) < 0.0005:
            return SettingPoint(point, True)
    above = next((point for point in known if point.r > pruning.r), None)
    if above is None:
        return None
    below = [point for point in known if point.r < pruning.r][-1]
    share = (pruning.r - below.r) / (above.r - below.r)
    return SettingPoint(
        Point(
            model,
            pruning.k,
            pruning.r,
            below.cost + share * (above.cost - below.cost),
            below.quality + share * (above.quality - below.quality),
            method=above.method,
        ),
        False,
    )
