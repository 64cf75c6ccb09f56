"""Both answers side by side, with the words that differ marked, as HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from markupsafe import Markup

from fastv.inputs.answer_matching import is_match
from fastv.presentation.html import render
from fastv.presentation.side_labels import USUAL, SideLabel
from fastv.presentation.word_marks import Piece, marked

EMPTY_ANSWER = "(empty answer)"


class CheckedText(Protocol):
    """An answer beside what is known to be there."""

    @property
    def pieces(self) -> Sequence[tuple[str, bool]]:
        """The text in pieces, each with whether it names what is not there."""
        ...

    @property
    def missed(self) -> Sequence[str]:
        """What is there and not said."""
        ...


#: Checks an answer; None where it cannot be checked thing by thing.
Check = Callable[[str], CheckedText | None]


def answers(
    baseline: str,
    candidate: str,
    labels: tuple[SideLabel, SideLabel] = USUAL,
    *,
    writing: str | None = None,
    expected: str | None = None,
    placeholder: str = "",
    question: str = "",
    source: str = "",
    remarks: Sequence[str] = (),
    check: Check | None = None,
    muted: bool = False,
) -> Markup:
    """Both answers, below the question.

    Parameters
    ----------
    baseline, candidate : str
        The answers, plain text.
    labels : pair of SideLabel
        Of the baseline and the candidate.
    writing : str, optional
        The color of the side whose answer is still being written; words are not marked meanwhile.
    expected : str, optional
        The true answer, where it is known.
    placeholder : str
        Stands in place of an empty answer.
    question : str
        Shown above the answers; may be empty.
    source : str
        Where the answers come from, beside the question.
    remarks : sequence of str
        Sentences below the answers; empty ones are left out.
    check : Check, optional
        Marks what is invented and tells what is missed, in place of words that only one side says.
    muted : bool
        Whether the texts mean little and should stand back.
    """
    texts = (baseline, candidate)
    checked = None if writing or not all(texts) or check is None else [check(text) for text in texts]
    if checked is not None and all(checked):
        bodies = [checked_body(one) for one in checked if one is not None]
        expected = None  # what is missed and invented says it
    else:
        both = all(texts) and not writing
        pieces = marked(*texts) if both else [[Piece(text, False)] if text else [] for text in texts]
        bodies = [
            _body(its, placeholder=placeholder, writing=writing == label.color)
            for label, its in zip(labels, pieces, strict=True)
        ]
    return render(
        "presentation/answers",
        question=question,
        source=source,
        sides=[{"label": label, "body": body} for label, body in zip(labels, bodies, strict=True)],
        muted=muted,
        expected=expected,
        who_is_right="" if expected is None else _who_is_right(expected, labels, texts),
        remarks=[remark for remark in remarks if remark],
    )


def checked_body(checked: CheckedText) -> Markup:
    """One answer with what it invents marked, and what it misses."""
    return _body([Piece(*piece) for piece in checked.pieces], missed=checked.missed)


def _body(
    pieces: Sequence[Piece], *, missed: Sequence[str] | None = None, placeholder: str = "", writing: bool = False
) -> Markup:
    return render("presentation/answer_body", pieces=pieces, missed=missed, placeholder=placeholder, writing=writing)


def _who_is_right(expected: str, labels: tuple[SideLabel, SideLabel], texts: tuple[str, str]) -> str:
    right = [label.label for label, text in zip(labels, texts, strict=True) if is_match(text, expected)]
    return ("Neither answer is right", f"Only “{''.join(right)}” is right", "Both answers are right")[len(right)]
