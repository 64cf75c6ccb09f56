"""Which things of an image the ranking keeps, in reading order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastv.evidence.exhibit.budget import R
from fastv.evidence.exhibit.table import Cell, Exhibit, name, rounded
from fastv.evidence.method_records import CONTROL, REFERENCE_K
from fastv.evidence.reading_order import THINGS, KeptInOrder
from fastv.formatting import budget, points
from fastv.pruning.methods.registry import METHODS

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def in_reading_order(found: Mapping[str, Sequence[KeptInOrder]]) -> Exhibit:
    """By FastV at each K, by the question's tokens and by chance."""
    labels = {
        (model, point): f"{name(model)}, {METHODS[point.method].label}, {budget(point.k, point.r)}"
        for model, points_of in found.items()
        for point in points_of
    }
    said = []
    for model, points_of in found.items():
        own, question, drawn = (
            next(point.shares for point in points_of if point.method == method and point.k == REFERENCE_K)
            for method in ("fastv", "question_tokens", CONTROL)
        )
        below = sum(one < other for one, other in zip(own, drawn, strict=True))
        said.append(
            f"of {name(model)}'s things FastV keeps {rounded(min(own))} to {rounded(max(own))}, {below} of {THINGS} "
            f"less than random dropping does; by the question's tokens it keeps {rounded(min(question))} to "
            f"{rounded(max(question))}"
        )
    known = list(labels)
    margin = max(point.margin for _, point in known)
    return Exhibit(
        f"Which of {THINGS} things does the ranking keep before a description?",
        f"At {budget(REFERENCE_K, R)}, {'; '.join(said)}.",
        "We know of no such measurement of LLaVA-1.5.",
        f"Share of a thing's patches that is kept, things in reading order, means over {known[0][1].scenes:,} scenes, "
        f"each within {points(margin).lstrip('+')} points (95% CI).",
        _ORDINALS,
        tuple((labels[key], tuple(Cell(rounded(kept)) for kept in key[1].shares)) for key in known),
        tuple(f"python -m fastv.miniature.evaluation.reading_order {model}" for model in found),
    )
