"""ROUGE-L: the longest common subsequence of words of a caption and a reference.

References
----------
Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", ACL workshop 2004.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastv.errors import InvalidInputError
from fastv.inputs.scoring.base import Measure, Reference


class RougeL(Measure):
    """F1 of the longest common subsequence of words, with the nearest reference; words are stemmed."""

    name = "rouge"
    label = "ROUGE-L"
    summary = "captions: F1 of the longest common subsequence of words with the nearest reference"
    paper = "aclanthology.org/W04-1013"

    def score(self, answer: str, reference: Reference) -> float:
        return float(_scorer().score_multi(list(reference.answers), answer)["rougeL"].fmeasure)


@cache
def _scorer() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise InvalidInputError("The measure rouge needs the package rouge-score: pip install rouge-score.") from error
    return RougeScorer(["rougeL"], use_stemmer=True)
