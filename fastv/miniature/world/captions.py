"""A description of a drawn scene read back: which of the things it lists are there, and which it leaves out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from fastv.miniature.world.vocabulary import CATEGORIES, COLOURS, NAMES, NUMBERS, counted, plural, with_article

_NUMBER_OF = {word: number for number, word in enumerate(NUMBERS)} | {"a": 1, "an": 1}
_NAMES_OF = {word: name for name in (*CATEGORIES, *NAMES) for word in (plural(name), name)}
_MENTION = re.compile(
    rf"\b(?P<number>{'|'.join(_NUMBER_OF)})\s+(?P<noun>{'|'.join(sorted(_NAMES_OF, key=len, reverse=True))})\b"
    rf"|\b(?P<colour>{'|'.join(COLOURS)})(?=\s+background)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mention:
    """A thing, or the background's colour, as a description names it at ``start`` to ``end`` (characters).

    Attributes
    ----------
    name
        The kind, in the singular, or the colour.
    number
        How many are said to be there; None for the colour.
    noun_start
        Where the noun begins, after its number.
    """

    start: int
    noun_start: int
    end: int
    name: str
    number: int | None


@dataclass(frozen=True)
class CheckedCaption:
    """A description beside what is there.

    Attributes
    ----------
    pieces : tuple of (str, bool)
        The text cut where that changes: what is said, and whether it is invented.
    missed : tuple of str
        What is there and not said, such as "a boat".
    """

    pieces: tuple[tuple[str, bool], ...]
    missed: tuple[str, ...]


def mentions(text: str) -> list[Mention]:
    """What a text names, in its order."""
    found = []
    for match in _MENTION.finditer(text):
        colour = match["colour"]
        if colour:
            found.append(Mention(match.start(), match.start(), match.end(), colour.lower(), None))
        else:
            name, number = _NAMES_OF[match["noun"].lower()], _NUMBER_OF[match["number"].lower()]
            found.append(Mention(match.start(), match.start("noun"), match.end(), name, number))
    return found


def check_caption(text: str, truth: str) -> CheckedCaption | None:
    """Compare a description with the true one, thing by thing, whatever their order.

    A thing that is not there is invented with its number; of more than there are, the number alone.

    Parameters
    ----------
    text
        What was answered.
    truth
        As ``questions.description`` words it.

    Returns
    -------
    CheckedCaption or None
        None where ``truth`` does not describe a whole scene, with its background.
    """
    real = mentions(truth)
    if len(real) < 2 or all(one.number is not None for one in real):
        return None
    left: Counter[str] = Counter()
    for one in real:
        left[one.name] += 1 if one.number is None else one.number
    invented = [span for one in mentions(text) if (span := _taken(one, left)) is not None]
    colours = {one.name for one in real if one.number is None}
    missed = [
        f"{with_article(name)} background" if name in colours else counted(number, name)
        for name, number in left.items()
        if number > 0
    ]
    return CheckedCaption(tuple(_pieces(text, invented)), tuple(missed))


def _taken(one: Mention, left: Counter[str]) -> tuple[int, int] | None:
    """Takes what is mentioned from what is left; returns the span of what is not there."""
    said, there = 1 if one.number is None else one.number, left[one.name]
    left[one.name] = max(0, there - said)
    if said <= there:
        return None
    return (one.start, one.noun_start if there and one.number is not None else one.end)


def _pieces(text: str, invented: list[tuple[int, int]]) -> list[tuple[str, bool]]:
    pieces, at = [], 0
    for start, end in invented:
        pieces += [(text[at:start], False), (text[start:end].rstrip(), True)]
        at = start + len(text[start:end].rstrip())
    pieces.append((text[at:], False))
    return [piece for piece in pieces if piece[0]]
