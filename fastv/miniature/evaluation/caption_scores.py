"""Soft scores of captions, beside exact match: F1 over what is said to be there, and a CIDEr-like n-gram similarity.

References
----------
Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015, arXiv 1411.5726. With
one reference a picture, no stemming and no length penalty, as here, values compare only with each other.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_LONGEST = 4  # words of an n-gram


def caption_parts(text: str) -> Counter[str]:
    """What a caption lists: its things, each with number and colour, and the background; in any order, in any case."""
    things, _, background = text.strip().rstrip(".").lower().partition(" on ")
    parts = re.split(r", | and ", things)
    return Counter([part for part in parts if part] + ([f"on {background}"] if background else []))


def caption_f1(answer: str, truth: str) -> float:
    """Harmonic mean of precision and recall over the parts of a caption (0 to 1)."""
    said, there = caption_parts(answer), caption_parts(truth)
    common = sum((said & there).values())
    return 2 * common / (said.total() + there.total()) if said or there else 1.0


def cider(answers: Sequence[str], truths: Sequence[str]) -> list[float]:
    """One score per answer, 0 to 10: the mean over n of TF-IDF-weighted n-gram cosines.

    Parameters
    ----------
    answers, truths : one of each per picture
        Document frequencies are those among ``truths``.
    """
    counted = [_ngrams(truth) for truth in truths]
    frequency = Counter(gram for grams in counted for gram in grams)
    rarity = {gram: math.log(len(truths) / number) for gram, number in frequency.items()}
    unseen = math.log(max(1, len(truths)))
    return [
        10 / _LONGEST * sum(_cosine(_ngrams(answer), grams, rarity, unseen, n) for n in range(1, _LONGEST + 1))
        for answer, grams in zip(answers, counted, strict=True)
    ]


def _ngrams(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"[^\s,.]+", text.lower())
    return Counter(
        tuple(words[start : start + n]) for n in range(1, _LONGEST + 1) for start in range(len(words) - n + 1)
    )


def _cosine(
    one: Counter[tuple[str, ...]],
    other: Counter[tuple[str, ...]],
    rarity: dict[tuple[str, ...], float],
    unseen: float,
    n: int,
) -> float:
    vectors = [
        {gram: count * rarity.get(gram, unseen) for gram, count in grams.items() if len(gram) == n}
        for grams in (one, other)
    ]
    norms = [math.sqrt(sum(value * value for value in vector.values())) for vector in vectors]
    if not all(norms):
        return 0.0
    return sum(value * vectors[1].get(gram, 0.0) for gram, value in vectors[0].items()) / (norms[0] * norms[1])
