"""Whether time to first token follows the FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from fastv.evidence.exhibit.table import Cell, Exhibit, name, rounded
from fastv.evidence.exhibit.tasks import RS
from fastv.evidence.measurements import Measured
from fastv.evidence.method_records import REFERENCE_K
from fastv.evidence.published import latency
from fastv.formatting import budget, points


def first_token(grids: Sequence[Measured]) -> Exhibit:
    """FastV's share of the unpruned time beside its share of the prefill FLOPs."""
    shared = [
        (k, r)
        for k in sorted({point.k for point in grids[0].pruned if point.k})
        for r in RS
        if all(one.point(k, r) is not None for one in grids)
    ]
    rows, gaps = [], []
    for k, r in shared:
        cells = []
        for one in grids:
            point = one.point(k, r)
            assert point is not None
            flops = point.prefill_flops / one.unpruned.prefill_flops
            cells += [Cell(rounded(flops)), Cell(rounded(point.time_ratio))]
            gaps.append(point.time_ratio - flops)
        rows.append((budget(k, r), tuple(cells)))
    return Exhibit(
        "Does the time to first token follow the FLOPs?",
        f"Its share of the unpruned time lies {points(min(gaps))} to {points(max(gaps))} points from the share of the "
        f"prefill FLOPs, {points(fmean(gaps))} on average.",
        _published_times(),
        "Shares of the same model without pruning, vision tower included; one prompt, times measured in turn.",
        tuple(f"{name(one.model)}, {what}" for one in grids for what in ("FLOPs", "time")),
        tuple(rows),
        tuple(one.command for one in grids),
    )


def _published_times() -> str:
    rows = {(row.model, row.precision, row.k, row.r): row for row in latency() if row.device == "A100-80G"}
    big = rows["llava-1.5-13b", "fp16", None, 0.0]
    pruned = {r: rows["llava-1.5-13b", "fp16", REFERENCE_K, r].first_token_seconds for r in (0.25, 0.5, 0.75)}
    said = ", ".join(f"{rounded(seconds / big.first_token_seconds)} at R={rounded(r)}" for r, seconds in pruned.items())
    return (
        f"LLaVA-1.5 13B in float16 on an A100 takes, at K=2, {said} of its unpruned time to the first token (official "
        "README)."
    )
