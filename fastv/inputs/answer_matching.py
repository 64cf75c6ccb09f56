"""Whether an answer says what was expected: the one judge of a right answer, for the page, sweeps and evaluations.

An answer is right as a whole or wrong. Ignored are differences that a reader does not see or would not count:

- Unicode normalization, letter case, width of spaces, invisible characters, typographic quotes and dashes;
- punctuation and quotation marks around the answer, and articles before a noun;
- the order of an enumeration: "a dog and two cups on a red background" is "two cups and a dog on a red background".

What stands on different sides of a preposition is not exchanged: "a dog on a mat" is not "a mat on a dog". No torch.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Compatibility characters whose plain form means something else: 10² is not 102, nor ½ the digits 1 and 2.
_MEANINGFUL = ("<super>", "<sub>", "<fraction>")
_PLAIN = str.maketrans({"’": "'", "‘": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"'})
_DASHES = re.compile("[‐‑‒–—−]")
_AROUND = " \t\n.,;:!?¿¡…。、'\"«»‹›「」`"
_ARTICLES = ("a ", "an ", "the ")
_PREPOSITIONS = re.compile(
    r"\s(?:to the )?(left of|right of|in front of|on top of|next to|close to|on|onto|in|inside|into|at|under|"
    r"underneath|above|below|beneath|beside|behind|near|by|between|over|around|against|with|without|of|from|to|for)\s"
)
# Commas inside numbers (1,000) and inside brackets (3, 4) belong to one item.
_SEPARATORS = re.compile(
    r"(?:\s*;|\s*,(?!\d)|(?<!\d),)(?:\s*(?:and|&)\s)?(?![^(\[]*[)\]])|\s(?:and|&)\s(?![^(\[]*[)\]])"
)

Clause = tuple[tuple[str, ...], ...]  # enumerations and the prepositions between them, in turn


def is_match(answer: str, expected: str) -> bool:
    """Whether an answer is the expected one as a whole.

    Parameters
    ----------
    answer
        What a model said, or what it said in another run.
    expected
        The right answer, or the other run's.

    Returns
    -------
    bool
        Symmetric in its arguments.
    """
    one, other = normalized(answer), normalized(expected)
    # A place after an enumeration can belong to all of it or to its last item; either reading may agree.
    return _clause(one) == _clause(other) or _clauses(one) == _clauses(other)


def matches_any(answer: str, accepted: Iterable[str]) -> bool:
    """Whether an answer is one of several that would be right."""
    return any(is_match(answer, expected) for expected in accepted)


def normalized(text: str) -> str:
    """The text with the differences removed that no reader sees: casefolded, in one normal form, spaces single.

    Punctuation and quotation marks around it go too, unless there is nothing else.
    """
    kept = "".join(
        character
        if unicodedata.decomposition(character).startswith(_MEANINGFUL)
        else unicodedata.normalize("NFKC", character)
        for character in unicodedata.normalize("NFC", text.translate(_PLAIN))
        if unicodedata.category(character) != "Cf"  # zero-width spaces and joiners, soft hyphens, direction marks
    )
    plain = unicodedata.normalize("NFC", _DASHES.sub("-", kept).casefold())
    spaced = " ".join(plain.split())
    return spaced.strip(_AROUND) or spaced


def _clause(text: str) -> Clause:
    """The text cut at its prepositions, each piece between them an enumeration in a fixed order."""
    pieces = _PREPOSITIONS.split(f" {text} ")
    return tuple((piece,) if index % 2 else tuple(sorted(_items(piece))) for index, piece in enumerate(pieces))


def _clauses(text: str) -> list[Clause]:
    """The text as an enumeration of phrases in a fixed order, each with a place of its own."""
    return sorted(_clause(item) for item in _items(text))


def _items(text: str) -> list[str]:
    items = [item.strip() for item in _SEPARATORS.split(text)]
    return [_without_article(item) for item in items if item] or [text.strip()]


def _without_article(item: str) -> str:
    """Without the article before other words; a letter that stands alone ("A", as a choice) is no article."""
    for article in _ARTICLES:
        if item.startswith(article):
            return item[len(article) :]
    return item
