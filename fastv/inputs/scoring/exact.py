"""The project's own judge: right as a whole or wrong; see ``fastv.inputs.answer_matching``."""

from __future__ import annotations

from fastv.inputs.answer_matching import matches_any
from fastv.inputs.scoring.base import Measure, Reference


class ExactMatch(Measure):
    """Right where the answer is one of the accepted ones but for case, articles, punctuation and order."""

    name = "exact"
    label = "right"
    summary = "right as a whole or wrong, whatever case, articles, punctuation and the order of an enumeration"
    partial = False

    def score(self, answer: str, reference: Reference) -> float:
        return float(matches_any(answer, reference.answers))
