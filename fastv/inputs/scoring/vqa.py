"""VQA accuracy: agreement with the answers of ten people, after the normalization that its evaluation defines.

References
----------
Antol et al., "VQA: Visual Question Answering", ICCV 2015, arXiv 1505.00468.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastv.inputs.scoring.base import Measure, Reference

_ENOUGH = 3  # people whose agreement makes an answer fully right
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {name: str(value) for value, name in enumerate(_DIGITS)} | {"none": "0"}
_ARTICLES = ("a", "an", "the")
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_THOUSANDS = re.compile(r"(?<=\d),+(?=\d)")
_PERIOD = re.compile(r"\.(?!\d)")
# A word that lacks one of its apostrophes is taken for the whole one. Those that are words of their own without, like
# "ill" and "were", are left out, as in the original evaluation.
_CONTRACTIONS = """ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've
mustn't must've needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've
somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's
there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll
what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've"""
_WITH_APOSTROPHES = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTIONS.split()
    for place, character in enumerate(word)
    if character == "'"
}


class VqaAccuracy(Measure):
    """The share of three people who gave this answer, at most 1, averaged over all groups of all people but one.

    The measure is made for ten people's answers. Where fewer than four are known, one that agrees is enough.
    """

    name = "vqa"
    label = "VQA accuracy"
    summary = "agreement with people's answers, three of ten for full marks (VQAv2, TextVQA, A-OKVQA's direct answers)"
    paper = "arXiv 1505.00468"

    def score(self, answer: str, reference: Reference) -> float:
        said = normalized_answer(answer)
        agrees = [normalized_answer(expected) == said for expected in reference.answers]
        return _accuracy(agrees)


def _accuracy(agrees: Sequence[bool]) -> float:
    """From whether each person's answer is the one that was given."""
    if len(agrees) <= _ENOUGH:
        return float(any(agrees))
    total = sum(agrees)
    return sum(min(1.0, (total - one) / _ENOUGH) for one in agrees) / len(agrees)


def normalized_answer(text: str) -> str:
    """Lower case, without articles and most punctuation, numbers up to ten as digits, contractions with apostrophes."""
    plain = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    plain = _without_punctuation(" ".join(plain.split()))
    words = [_NUMBERS.get(word, word) for word in plain.split()]
    return " ".join(_WITH_APOSTROPHES.get(word, word) for word in words if word not in _ARTICLES)


def _without_punctuation(text: str) -> str:
    """A mark beside a space goes; one between two words becomes a space. Points stay inside numbers."""
    out, digits = text, _THOUSANDS.search(text) is not None
    for mark in _PUNCTUATION:
        beside_space = f"{mark} " in text or f" {mark}" in text
        out = out.replace(mark, "" if beside_space or digits else " ")
    return _PERIOD.sub("", out)
