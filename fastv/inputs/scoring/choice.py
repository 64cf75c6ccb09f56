"""Multiple choice: the option that an answer names, by letter or by text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from fastv.inputs.answer_matching import is_match, normalized
from fastv.inputs.scoring.base import Measure, Reference

_ALONE = re.compile(r"\(?([a-z])\)?")
_LEADING = re.compile(r"(?:\(([a-z])\)|([a-z])[.):])(?:\s|$)")
_NAMED = re.compile(r"\b(?:answer|option|choice)(?: is)?:?\s+(?:\(([a-z])\)|([a-z])\b(?![' ]\w))")


class MultipleChoice(Measure):
    """Right where the answer names the right option, by its letter or by its text.

    The accepted answers may be letters, texts, or numbers of options from 0, as data sets have. An answer that names
    no option, or several, is wrong: nothing is guessed.
    """

    name = "choice"
    label = "right option"
    summary = "multiple choice: the option an answer names by letter or text; one that names none or several is wrong"
    partial = False

    def score(self, answer: str, reference: Reference) -> float:
        wanted = {_expected(text, reference.choices) for text in reference.answers} - {None}
        return float(chosen_option(answer, reference.choices) in wanted)


def chosen_option(answer: str, choices: Sequence[str]) -> str | None:
    """The capital letter of the option that a text names.

    Parameters
    ----------
    answer
        "B", "(b)", "B. red", "The answer is B", "red", or "It is red."
    choices
        The options' texts in the order of their letters; where there are none, letters alone are read.

    Returns
    -------
    str or None
        None where it names none, or several.
    """
    text = normalized(answer)
    letters = ascii_uppercase[: len(choices)] if choices else ascii_uppercase
    same = [letter for letter, choice in zip(letters, choices) if is_match(text, choice)]
    if same:
        return same[0] if len(same) == 1 else None
    found = _letter(text)
    if found is not None and found in letters:
        return found
    inside = [letter for letter, choice in zip(letters, choices) if _holds(text, normalized(choice))]
    return inside[0] if len(inside) == 1 else None


def _expected(text: str, choices: Sequence[str]) -> str | None:
    """The option that the data call right."""
    named = chosen_option(text, choices)
    if named is None and text.isdecimal() and int(text) < len(choices):
        return ascii_uppercase[int(text)]
    return named


def _letter(text: str) -> str | None:
    matched = _ALONE.fullmatch(text) or _LEADING.match(text) or _NAMED.search(text)
    return next((group.upper() for group in matched.groups() if group), None) if matched else None


def _holds(text: str, words: str) -> bool:
    return bool(words) and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None
