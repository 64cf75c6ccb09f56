"""Average normalized Levenshtein similarity: partial credit for a text that was nearly read right.

References
----------
Biten et al., "Scene Text Visual Question Answering", ICCV 2019, arXiv 1905.13648.
"""

from __future__ import annotations

from fastv.inputs.scoring.base import Measure, Reference

_THRESHOLD = 0.5  # a distance of half the longer text and more counts as another text


class Anls(Measure):
    """One less the edit distance as a share of the longer text, to the nearest accepted answer; 0 from a half on."""

    name = "anls"
    label = "ANLS"
    summary = "texts that are read: similarity by edit distance to the nearest accepted answer, 0 below a half"
    paper = "arXiv 1905.13648"

    def score(self, answer: str, reference: Reference) -> float:
        return max(similarity(answer, expected) for expected in reference.answers)


def similarity(answer: str, expected: str) -> float:
    """From 0 to 1, whatever the case and the width of spaces."""
    one, other = (" ".join(text.casefold().split()) for text in (answer, expected))
    distance = edit_distance(one, other) / max(len(one), len(other), 1)
    return 1 - distance if distance < _THRESHOLD else 0.0


def edit_distance(one: str, other: str) -> int:
    """Levenshtein's: the fewest characters to insert, delete or replace."""
    row = list(range(len(other) + 1))
    for place, character in enumerate(one, 1):
        before, row[0] = row[0], place
        for column, wanted in enumerate(other, 1):
            changed = before + (character != wanted)
            before = row[column]
            row[column] = min(changed, before + 1, row[column - 1] + 1)
    return row[-1]
