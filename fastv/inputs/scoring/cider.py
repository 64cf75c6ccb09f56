"""CIDEr-D: similarity of a caption's n-grams with those of its references, rare ones weighing more.

The arithmetic is that of the COCO caption evaluation, which is what papers report. Words are told apart by NLTK's Penn
Treebank tokenizer where that evaluation starts Stanford's in Java.

References
----------
Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015, arXiv 1411.5726.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastv.errors import InvalidInputError
from fastv.inputs.scoring.base import Measure, Reference

_LONGEST = 4  # words of an n-gram
_DEVIATION = 6.0  # words by which a caption may be longer or shorter before it costs much
_SCALE = 10.0
_PUNCTUATION = frozenset(["''", "'", "``", "`", "(", ")", "{", "}", ".", "?", "!", ",", ":", "-", "--", "...", ";"])

Gram = tuple[str, ...]


@dataclass(frozen=True)
class _Vector:
    """TF-IDF weights of the n-grams of one text, for n from 1 on, with their norms and its length in pairs of words."""

    weights: tuple[dict[Gram, float], ...]
    norms: tuple[float, ...]
    length: int


class CiderD(Measure):
    """Mean over n of clipped TF-IDF cosines with the references, less for another length.

    Papers print it times 100; 1 is usual and 10 the most. Document frequencies are those of the references of all
    questions, so that values from different data sets do not compare.
    """

    name = "cider"
    label = "CIDEr"
    summary = "captions: TF-IDF similarity of n-grams with the references (CIDEr-D); 100% is usual, more is possible"
    paper = "arXiv 1411.5726"

    def scores(self, answers: Sequence[str], references: Sequence[Reference]) -> list[float]:
        known = [[_grams(text) for text in reference.answers] for reference in references]
        documents = Counter(gram for texts in known for gram in {gram for text in texts for gram in text})
        size = math.log(max(len(known), 1))
        rarity = {gram: size - math.log(count) for gram, count in documents.items()}
        return [
            sum(_likeness(said, _vector(text, rarity, size)) for text in texts) / len(texts)
            for said, texts in (
                (_vector(_grams(answer), rarity, size), texts) for answer, texts in zip(answers, known, strict=True)
            )
        ]

    def score(self, answer: str, reference: Reference) -> float:
        return self.scores([answer], [reference])[0]


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers, without punctuation."""
    return [word for word in _tokenizer().tokenize(text.lower()) if word not in _PUNCTUATION]


def _grams(text: str) -> Counter[Gram]:
    words = words_of(text)
    return Counter(
        tuple(words[start : start + n]) for n in range(1, _LONGEST + 1) for start in range(len(words) - n + 1)
    )


def _vector(grams: Counter[Gram], rarity: dict[Gram, float], unseen: float) -> _Vector:
    weights: tuple[dict[Gram, float], ...] = tuple({} for _ in range(_LONGEST))
    for gram, count in grams.items():
        weights[len(gram) - 1][gram] = count * rarity.get(gram, unseen)
    norms = tuple(math.sqrt(sum(weight * weight for weight in one.values())) for one in weights)
    return _Vector(weights, norms, sum(count for gram, count in grams.items() if len(gram) == 2))


def _likeness(said: _Vector, known: _Vector) -> float:
    total = 0.0
    for mine, theirs, norm, other in zip(said.weights, known.weights, said.norms, known.norms):
        if norm and other:
            total += sum(
                min(weight, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, weight in mine.items()
            ) / (norm * other)
    penalty = math.exp(-((said.length - known.length) ** 2) / (2 * _DEVIATION**2))
    return _SCALE * penalty * total / _LONGEST


@cache
def _tokenizer() -> Any:
    try:
        from nltk.tokenize import TreebankWordTokenizer
    except ImportError as error:
        raise InvalidInputError("The measure cider needs the package nltk: pip install nltk.") from error
    return TreebankWordTokenizer()
