"""The R that meets a time to first token: interpolated between measured times, never computed. No torch.

Between two measured R of one K the time is taken to be linear, as FLOPs nearly are. Times hold for the machine they
were measured on; for another one nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastv.costs.flops import kept_tokens
from fastv.costs.solver import NotReachable
from fastv.errors import InvalidBudgetError
from fastv.evidence.measurements import Measured
from fastv.validation import real


@dataclass(frozen=True)
class TimeSolution:
    """The least R at layer ``k`` whose time to first token is within the target.

    Attributes
    ----------
    k : int
    r : float
        Leaves exactly ``kept`` visual tokens.
    kept : int
    seconds : float
        The time at that R, interpolated.
    between : tuple of float
        The measured R before and after.
    device : str
        Where it was measured.
    """

    k: int
    r: float
    kept: int
    seconds: float
    between: tuple[float, float]
    device: str


@dataclass(frozen=True)
class Unknown:
    """No measurement answers the question; ``reason`` says why."""

    k: int
    reason: str


def solve_time(
    found: Measured | None, seconds: float, k: int, *, method: str = "fastv", device: str | None = None
) -> TimeSolution | NotReachable | Unknown:
    """The R at one K for a time to first token of at most ``seconds``, at the measured prompt length.

    Parameters
    ----------
    found
        What was measured of the model; None where nothing was.
    seconds
        The longest time to first token.
    k
        The decoder layer.
    method
        The pruning method.
    device
        The machine it is asked for, as ``Machine.device`` names it; by default the one that was measured.

    Raises
    ------
    InvalidBudgetError
        For a time that is no number above 0.
    """
    seconds = real(seconds, "The time in seconds", above=0, error=InvalidBudgetError)
    if found is None:
        return Unknown(k, "Time to first token was not measured for this model.")
    where = str(found.machine["device"])
    if device not in (None, where):
        return Unknown(k, f"{found.model} was timed on {where}, which says nothing about {device}.")
    curve = _curve(found, k, method)
    if len(curve) < 2:
        return Unknown(k, f"Time to first token of {found.model} was not measured at K={k}.")
    return interpolated(curve, seconds, k, found.visual_tokens, where)


def _curve(found: Measured, k: int, method: str) -> list[tuple[float, float]]:
    """(R, seconds) by R, no FastV first."""
    wanted = method if k else "random"
    points = [found.unpruned] + [point for point in found.pruned if (point.k, point.method) == (k, wanted)]
    return sorted((point.r, found.seconds(point)) for point in points)


def interpolated(
    curve: Sequence[tuple[float, float]], seconds: float, k: int, visual: int, where: str
) -> TimeSolution | NotReachable:
    """The least R from which on every time is within a target, linear between neighboring R.

    Times scatter and need not fall all along, so a point in time that is followed by a later one does not count.

    Parameters
    ----------
    curve : sequence of (float, float)
        R, ascending, and seconds to the first token; at least two.
    seconds : float
        The target.
    k : int
        The K of the curve.
    visual : int
        Visual tokens of the prompt, to which R is rounded.
    where : str
        Where the times were taken.
    """
    if curve[-1][1] > seconds:
        return NotReachable(
            k,
            curve[-1][1],
            f"Even at R={100 * curve[-1][0]:g}%, the largest R that was measured at K={k}, "
            f"the first token took {curve[-1][1] / seconds:.2f} times as long.",
        )
    last = len(curve) - 1
    while last > 0 and curve[last - 1][1] <= seconds:
        last -= 1
    if last == 0:
        return TimeSolution(k, 0.0, visual, curve[0][1], (0.0, 0.0), where)
    (before, slow), (after, fast) = curve[last - 1], curve[last]
    needed = before + (after - before) * (slow - seconds) / (slow - fast)
    kept = min(int(visual * (1 - needed) + 1e-9), visual)  # whole tokens, rounded to the side that is in time
    kept = max(kept, kept_tokens(visual, after))
    r = 1 - kept / visual
    return TimeSolution(
        k, r, kept, slow + (fast - slow) * min((r - before) / (after - before), 1.0), (before, after), where
    )
