"""How sure a measured share, change or ratio is: 95% intervals and an exact test.

- ``Score``: a share of questions with Wilson's interval (Wilson, 1927).
- ``Change``: two answerers of the same questions, compared question by question. Only the questions on which they
  differ tell them apart. The interval is Bonett and Price's (2012): Wald's for paired shares, with one question added
  to either kind of difference, so that it keeps its coverage where few questions differ. ``p`` is McNemar's exact one.

No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, exp, log, sqrt
from statistics import fmean, median, stdev

_Z = 1.959964  # of a normal distribution's middle 95%
_STUDENT = (12.706, 4.303, 3.182, 2.776)  # the same of Student's, for two to five values


@dataclass(frozen=True)
class Score:
    """``right`` of ``asked`` questions, as a share with its 95% interval."""

    right: int
    asked: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, marks: Sequence[bool]) -> Score:
        """marks: for each question, at least one, whether the answer was right."""
        return cls.counted(sum(marks), len(marks))

    @classmethod
    def counted(cls, right: int, asked: int) -> Score:
        """right: how many of ``asked`` questions, at least one, were answered right."""
        share = right / asked
        centre = (share + _Z * _Z / (2 * asked)) / (1 + _Z * _Z / asked)
        reach = _Z / (1 + _Z * _Z / asked) * sqrt(share * (1 - share) / asked + _Z * _Z / (4 * asked * asked))
        return cls(right, asked, share, max(centre - reach, 0.0), min(centre + reach, 1.0))


@dataclass(frozen=True)
class Change:
    """What changes from one answerer to another, as a share of the questions, with its 95% interval.

    gained: questions that only the second got right; lost: those that only the first did. p: the chance, were neither
    the better one, of questions won and lost at least as unevenly as these.
    """

    gained: int
    lost: int
    asked: int
    share: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, before: Sequence[bool], after: Sequence[bool]) -> Change:
        """before, after: the marks of both answerers, question by question; ValueError if their numbers differ."""
        pairs = list(zip(before, after, strict=True))
        gained = sum(two and not one for one, two in pairs)
        lost = sum(one and not two for one, two in pairs)
        asked = len(pairs)
        up, down = (gained + 1) / (asked + 2), (lost + 1) / (asked + 2)
        reach = _Z * sqrt((up + down - (up - down) ** 2) / (asked + 2))
        return cls(
            gained,
            lost,
            asked,
            (gained - lost) / asked,
            max(up - down - reach, -1.0),
            min(up - down + reach, 1.0),
            mcnemar(gained, lost),
        )

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out "no change"."""
        return self.low > 0 or self.high < 0


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided exact p of McNemar's test: a fair coin thrown for each question on which the two differ."""
    differ = gained + lost
    tail = sum(comb(differ, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**differ)


@dataclass(frozen=True)
class Ratio:
    """What the second of two takes of what the first takes: the median over the rounds, with its 95% interval.

    low, high: from six rounds on two of the rounds' ratios, as many below the one as above the other, which holds whatever
    the ratios' distribution (the sign test's interval). Of fewer rounds Student's, of the ratios' logarithms: so few have
    no two such ratios. A single round has no interval: both are the ratio itself.
    """

    share: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, first: Sequence[float], second: Sequence[float]) -> Ratio:
        """first, second: positive amounts, round by round; ValueError if their numbers differ or there are none."""
        shares = sorted(after / before for before, after in zip(first, second, strict=True))
        rounds, left_out = len(shares), 0
        if not shares:
            raise ValueError("no round was measured")
        if 2 <= rounds <= len(_STUDENT) + 1:
            logs = [log(share) for share in shares]
            reach = _STUDENT[rounds - 2] * stdev(logs) / sqrt(rounds)
            return cls(median(shares), exp(fmean(logs) - reach), exp(fmean(logs) + reach), rounds)
        while 2 * sum(comb(rounds, count) for count in range(left_out + 2)) / 2**rounds <= 0.05:
            left_out += 1
        return cls(median(shares), shares[left_out], shares[-1 - left_out], rounds)

    @property
    def is_clear(self) -> bool:
        """Whether it is told apart from "the same"; a single round tells nothing."""
        return self.rounds > 1 and (self.low > 1 or self.high < 1)
