"""Which words of two answers only one of them says, wherever they stand."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from fastv.inputs.answer_matching import normalized

_SEPARATOR = re.compile(r"([,;]\s+(?:and\s+)?|\s+and\s+|[.!?]\s+|\n+)", re.IGNORECASE)
_UNMARKED = frozenset(("", "a", "an", "the", "and", "or", "of", "is", "are", "there"))


class Piece(NamedTuple):
    """A stretch of an answer, and whether only this side says it."""

    text: str
    marked: bool


def marked(first: str, second: str) -> tuple[list[Piece], list[Piece]]:
    """Both answers in pieces, words marked that the other does not say.

    Items of an enumeration that both answers have are not marked, in whatever order they stand. Of the other items
    those words are marked that the other answer's remaining items lack. The pieces' texts joined are the answers.
    """
    parts = _SEPARATOR.split(first), _SEPARATOR.split(second)
    items = [Counter(normalized(part) for part in some[::2] if part.strip()) for some in parts]
    shared = items[0] & items[1]
    rests = [_unshared(some, shared) for some in parts]
    words = [Counter(_word(token) for part in rest for token in _tokens(part)) for rest in rests]
    return _pieces(parts[0], shared, words[1]), _pieces(parts[1], shared, words[0])


def _unshared(parts: list[str], shared: Counter[str]) -> list[str]:
    """The items that are left when those in ``shared`` are taken out, each as often as it is there."""
    left, rest = Counter(shared), []
    for part in parts[::2]:
        if left[normalized(part)] > 0:
            left[normalized(part)] -= 1
        else:
            rest.append(part)
    return rest


def _pieces(parts: list[str], shared: Counter[str], said: Counter[str]) -> list[Piece]:
    """said: the words of the other answer's items that are not shared."""
    left, unmatched, pieces = Counter(shared), Counter(said), []
    for index, part in enumerate(parts):
        if index % 2 or left[normalized(part)] > 0:
            if not index % 2:
                left[normalized(part)] -= 1
            pieces.append(Piece(part, False))
            continue
        for token in _tokens(part):
            word = _word(token)
            if word in _UNMARKED:
                pieces.append(Piece(token, False))
            elif unmatched[word] > 0:
                unmatched[word] -= 1
                pieces.append(Piece(token, False))
            else:
                pieces.append(Piece(token, True))
    return _joined(pieces)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The same with neighbors of one kind in one piece, and the space between two marked words marked too."""
    joined: list[Piece] = []
    for index, piece in enumerate(pieces):
        marked = piece.marked
        if not piece.text.strip() and 0 < index < len(pieces) - 1:
            marked = pieces[index - 1].marked and pieces[index + 1].marked
        if joined and joined[-1].marked == marked:
            joined[-1] = Piece(joined[-1].text + piece.text, marked)
        elif piece.text:
            joined.append(Piece(piece.text, marked))
    return joined


def _tokens(text: str) -> list[str]:
    """Words and the white space between them."""
    return re.findall(r"\s+|\S+", text)


def _word(token: str) -> str:
    return normalized(token) if token.strip() else ""
