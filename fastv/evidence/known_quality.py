"""What is known of a model's quality at a budget, measured here or published, in a sentence. No torch."""

from __future__ import annotations

from fastv.evidence.measurements import Measured, measured
from fastv.evidence.method_records import MethodRecord, method_record
from fastv.evidence.published import table1
from fastv.formatting import budget, percent, points
from fastv.pruning.config import chosen_by
from fastv.pruning.methods.registry import takes_k
from fastv.stats import Change, Score

_NEAR = 0.01  # of R: a few visual tokens
_UNKNOWN = "The quality loss at this {setting} was not measured for this model; one question says little about it."


def known_quality(model: str, k: int | None, r: float, method: str | None = "fastv") -> str:
    """Of many questions, where many were asked at this (K, R); empty where FastV changes nothing.

    model: a key of the catalogue, folder or hub id. k, r, method: as in ``PruningConfig``; k None without it.
    """
    if k is None or r == 0:
        return ""
    by = method and chosen_by(method, k)
    found, methods = measured(model), method_record(model)
    said = _measured(found, k, r, by) if found else _published(model, k, r, by)
    said = said or (_of_method(methods, k, r, by) if methods else "")
    return said or _UNKNOWN.format(setting="(K, R)" if takes_k(method) else "R")


def _measured(found: Measured, k: int, r: float, method: str | None) -> str:
    """method: the one that decides, see ``chosen_by``."""
    near = [one for one in found.pruned if (one.k, one.method) == (k, method) and abs(one.r - r) <= _NEAR]
    if not near:
        return ""
    point = min(near, key=lambda one: abs(one.r - r))
    return _said(found.score(found.unpruned), found.score(point), found.change(point), k, point.r, method)


def _of_method(found: MethodRecord, k: int, r: float, method: str | None) -> str:
    point = found.near(method, k, r, _NEAR)
    if point is None:
        return ""
    change = Change.of(found.unpruned.marks, point.marks)
    return _said(found.unpruned_score(), Score.of(point.marks), change, k, point.r, method)


def _said(before: Score, after: Score, change: Change, k: int, r: float, method: str | None) -> str:
    how = "" if method == "fastv" else f", method {method}"
    return (
        f"Of {after.asked:,} questions about drawn scenes, {percent(after.share)} are answered correctly at "
        f"{budget(k if takes_k(method) else None, r)}{how}, and {percent(before.share)} without pruning: "
        f"{points(change.share)} points (95% CI {points(change.low)} to {points(change.high)})."
    )


def _published(model: str, k: int, r: float, method: str | None) -> str:
    rows = {(row.k, round(row.r, 3)): row for row in table1() if row.model == model}
    row, whole = rows.get((k, round(r, 3))), rows.get((None, 0.0))
    if row is None or whole is None or method != ("fastv" if k else "random"):
        return ""
    return (
        f"In the FastV paper's Table 1, at {budget(k, r)}: {row.average:.1f} on average over Nocaps, Flickr30k, "
        f"A-OKVQA and MMMU, {whole.average:.1f} without FastV."
    )
