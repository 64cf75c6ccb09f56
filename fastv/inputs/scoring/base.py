"""What every measure of answers is: from answers and what is known of their questions to a score each. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Reference:
    """What is known of a question.

    Attributes
    ----------
    answers : tuple of str
        Accepted answers, at least one: those of several people may repeat each other.
    choices : tuple of str
        What a multiple-choice question offers, in the order of its letters; empty for an open question.
    question : str
    """

    answers: tuple[str, ...]
    choices: tuple[str, ...] = ()
    question: str = ""


class Measure(ABC):
    """One way to score answers. Subclasses set the attributes and define ``score``.

    Attributes
    ----------
    name : str
        By which it is chosen.
    label : str
        For people, as the heading of a column: "VQA accuracy".
    summary : str
        What it counts, in a sentence.
    paper : str
        Where it is defined; empty for this project's own.
    partial : bool
        Whether scores other than 0 and 1 occur.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str] = ""
    partial: ClassVar[bool] = True

    def scores(self, answers: Sequence[str], references: Sequence[Reference]) -> list[float]:
        """A score for each answer, 1 for a perfect one.

        Parameters
        ----------
        answers
            One to each question.
        references
            What is known of the questions, in the same order. All of a data set at once: some measures weigh words by
            how common they are in it.

        Raises
        ------
        InvalidInputError
            Where a package that the measure needs is missing.
        """
        return [self.score(answer, reference) for answer, reference in zip(answers, references, strict=True)]

    @abstractmethod
    def score(self, answer: str, reference: Reference) -> float:
        """The score of one answer."""
