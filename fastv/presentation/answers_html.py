"""Both answers side by side, with the words that differ marked, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from fastv.inputs.answer_matching import is_match
from fastv.presentation.html import render
from fastv.presentation.side_labels import USUAL, SideLabel
from fastv.presentation.word_marks import Piece, marked

EMPTY_ANSWER = "(empty answer)"


def answers(
    baseline: str,
    candidate: str,
    labels: tuple[SideLabel, SideLabel] = USUAL,
    *,
    writing: str | None = None,
    expected: str | None = None,
    placeholder: str = "",
    question: str = "",
    remarks: Sequence[str] = (),
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
    remarks : sequence of str
        Sentences below the answers; empty ones are left out.
    """
    if writing or not (baseline and candidate):
        pieces = [[Piece(text, False)] if text else [] for text in (baseline, candidate)]
    else:
        pieces = list(marked(baseline, candidate))
    sides = [
        {"label": label, "pieces": its, "writing": writing == label.color}
        for label, its in zip(labels, pieces, strict=True)
    ]
    return render(
        "presentation/answers",
        question=question,
        sides=sides,
        placeholder=placeholder,
        expected=expected,
        who_is_right="" if expected is None else _who_is_right(expected, labels, (baseline, candidate)),
        remarks=[remark for remark in remarks if remark],
    )


def _who_is_right(expected: str, labels: tuple[SideLabel, SideLabel], texts: tuple[str, str]) -> str:
    right = [label.label for label, text in zip(labels, texts, strict=True) if is_match(text, expected)]
    return ("Neither answer is right", f"Only “{''.join(right)}” is right", "Both answers are right")[len(right)]
