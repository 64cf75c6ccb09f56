"""What the two sides of a comparison are called, so that nothing is said of a side that is not so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastv.formatting import budget
from fastv.measurement.results import Setup
from fastv.pruning.methods.registry import METHODS


@dataclass(frozen=True)
class Title:
    """One side's names as plain text, each for a place of its own.

    text: over its answer; note: beside that, what the text leaves open. how: after "answering". subject: before
    "takes", in a sentence; short: the same where room is scarce. place: after "what FastV kept".
    """

    text: str
    note: str
    how: str
    subject: str
    short: str
    place: str = ""


_WITHOUT = Title("Without FastV", "", "without FastV", "the model without FastV", "the model alone")
_WITH = Title("With FastV", "", "with FastV", "FastV", "FastV")
#: One model as it is, and with FastV: what a comparison is unless something else is chosen.
USUAL = (_WITHOUT, _WITH)


def titles(baseline: Setup, fastv: Setup) -> tuple[Title, Title]:
    """The titles of both sides: never the same, and both say in what the sides differ."""
    if (baseline.model, baseline.dtype) != (fastv.model, fastv.dtype):
        return _of_model(baseline, fastv), _of_model(fastv, baseline)
    if (baseline.k is None) != (fastv.k is None):
        return _with_or_without(baseline), _with_or_without(fastv)
    one, other = _of_settings(baseline, fastv), _of_settings(fastv, baseline)
    return (replace(one, short="the first run"), _again(other)) if one == other else (one, other)


def _of_model(side: Setup, other: Setup) -> Title:
    if side.model == other.model:
        name = f"{side.name} in {side.dtype}"
    else:
        name = side.model if side.name == other.name else side.name
    if side.k is None:
        return Title(name, "without FastV", f"with {name}", name, name, f" in {name}")
    text = f"{name} with FastV"
    return Title(text, _budget(side, other), f"with {name} and FastV", text, name, f" in {name}")


def _with_or_without(side: Setup) -> Title:
    return _WITHOUT if side.k is None else replace(_WITH, note=_budget(side, side))


def _of_settings(side: Setup, other: Setup) -> Title:
    """For two sides of one model that both have FastV, or that both have none."""
    if side.k is None:
        return _WITHOUT
    words = _budget(side, other)
    return Title(f"FastV at {words}", "", f"with FastV at {words}", f"FastV at {words}", words, f" at {words}")


def _again(title: Title) -> Title:
    return Title(
        f"{title.text}, again",
        title.note,
        f"{title.how}, again",
        f"{title.subject}, again,",
        "the second run",
        title.place,
    )


def _budget(side: Setup, other: Setup) -> str:
    """(K, R), and the method where the other side, with FastV too, has another."""
    words = budget(side.k, side.r)
    if other.k is not None and side.method != other.method:
        words += f", {METHODS[side.method].label}"
    if other.k is not None and side.seed != other.seed:
        words += f", seed {side.seed}"
    return words
