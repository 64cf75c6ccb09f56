"""Which R makes a model as fast as a smaller one, by published times to the first token. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from fastv.costs.solver import NotReachable
from fastv.evidence.latency_solver import TimeSolution, interpolated
from fastv.evidence.published import LatencyRow, latency


@dataclass(frozen=True)
class PublishedTimes:
    """One source's times of two models on one device, and what they say.

    Parameters
    ----------
    source, device, precision : str
        As in ``LatencyRow``.
    reference : LatencyRow
        The smaller model without FastV.
    rows : tuple of LatencyRow
        The larger model without FastV and at the K of the solution, by R.
    solution : TimeSolution or NotReachable
        The least R at which the larger model is as fast as the reference.
    """

    source: str
    device: str
    precision: str
    reference: LatencyRow
    rows: tuple[LatencyRow, ...]
    solution: TimeSolution | NotReachable

    @property
    def neighbors(self) -> tuple[LatencyRow, ...]:
        """The published rows between which the solution was interpolated; all of them without a solution."""
        between = self.solution.between if isinstance(self.solution, TimeSolution) else None
        return tuple(row for row in self.rows if between is None or row.r in between)


def published_times(model: str, like: str, visual_tokens: int, k: int = 2) -> PublishedTimes | None:
    """The published times that tell at which R ``model`` is as fast as ``like`` without FastV.

    Parameters
    ----------
    model, like : str
        Keys of the catalogue.
    visual_tokens : int
        Of the prompt that was timed, to which R is rounded.
    k : int
        The K asked for. Where no source has it, the K with the most published R is taken.

    Returns
    -------
    PublishedTimes or None
        From the source with the most R at that K; None where no source timed both models.
    """
    groups: dict[tuple[str, str, str], list[LatencyRow]] = {}
    for row in latency():
        groups.setdefault((row.source, row.device, row.precision), []).append(row)
    candidates = []
    for (source, device, precision), rows in groups.items():
        reference = next((row for row in rows if (row.model, row.k) == (like, None)), None)
        own = [row for row in rows if row.model == model]
        plain = next((row for row in own if row.k is None), None)
        if reference is None or plain is None:
            continue
        for its_k in {row.k for row in own if row.k is not None}:
            curve = (plain, *sorted((row for row in own if row.k == its_k), key=lambda row: row.r))
            candidates.append((its_k == k, len(curve), its_k, (source, device, precision), reference, curve))
    if not candidates:
        return None
    _, _, its_k, (source, device, precision), reference, curve = max(candidates, key=lambda found: found[:3])
    solution = interpolated(
        [(row.r, row.first_token_seconds) for row in curve],
        reference.first_token_seconds,
        its_k,
        visual_tokens,
        f"{device}, {precision}",
    )
    return PublishedTimes(source, device, precision, reference, curve, solution)
