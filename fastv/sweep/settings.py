"""How a sweep is run: the length of answers, and how many questions are answered together and timed."""

from __future__ import annotations

from dataclasses import dataclass

from fastv.errors import InvalidInputError
from fastv.validation import whole

MAX_ANSWER_TOKENS, MAX_BATCH = 4_096, 1_024


@dataclass(frozen=True)
class SweepSettings:
    """How a sweep is run.

    Parameters
    ----------
    answer_tokens : int
        The longest answer, in tokens.
    batch : int
        The most questions that are answered together; 1 for each by itself.
    timed : int
        How many questions are timed; 0 for answers only.

    Raises
    ------
    InvalidInputError
        For values out of range.
    """

    answer_tokens: int = 32
    batch: int = 8
    timed: int = 16

    def __post_init__(self) -> None:
        words = "The longest answer (answer tokens)"
        whole(self.answer_tokens, words, low=1, high=MAX_ANSWER_TOKENS, error=InvalidInputError)
        whole(self.batch, "The batch", low=1, high=MAX_BATCH, error=InvalidInputError)
        whole(self.timed, "The number of timed questions", low=0, error=InvalidInputError)
