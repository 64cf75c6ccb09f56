"""What is known of a model's quality at a budget, measured here or published, in a sentence. No torch."""

from __future__ import annotations

from fastv.evidence.measurements import Measured, measured
from fastv.evidence.published import table1
from fastv.formatting import budget, percent, points

_NEAR = 0.01  # of R: a few visual tokens
_UNKNOWN = "The quality loss at this (K, R) was not measured for this model; one question says little about it."


def known_quality(model: str, k: int | None, r: float, method: str | None = "fastv") -> str:
    """Of many questions, where many were asked at this (K, R); empty where FastV changes nothing.

    model: a key of the catalogue, folder or hub id. k, r, method: as in ``PruningConfig``; k None without it.
    """
    if k is None or r == 0:
        return ""
    found = measured(model)
    return (_measured(found, k, r, method) if found else _published(model, k, r, method)) or _UNKNOWN


def _measured(found: Measured, k: int, r: float, method: str | None) -> str:
    wanted = "random" if k == 0 else method
    near = [one for one in found.pruned if (one.k, one.method) == (k, wanted) and abs(one.r - r) <= _NEAR]
    if not near:
        return ""
    point = min(near, key=lambda one: abs(one.r - r))
    before, after, change = found.score(found.unpruned), found.score(point), found.change(point)
    how = "" if wanted == "fastv" else f", method {wanted}"
    return (
        f"Of {after.asked:,} questions about drawn scenes, {percent(after.share)} are answered correctly at "
        f"{budget(k, point.r)}{how}, and {percent(before.share)} without pruning: {points(change.share)} points (95% "
        f"CI {points(change.low)} to {points(change.high)})."
    )


def _published(model: str, k: int, r: float, method: str | None) -> str:
    rows = {(row.k, round(row.r, 3)): row for row in table1() if row.model == model}
    row, whole = rows.get((k, round(r, 3))), rows.get((None, 0.0))
    if row is None or whole is None or (method != "fastv" and k > 0):
        return ""
    return (
        f"In the FastV paper's Table 1, at {budget(k, r)}: {row.average:.1f} on average over Nocaps, Flickr30k, "
        f"A-OKVQA and MMMU, {whole.average:.1f} without FastV."
    )
