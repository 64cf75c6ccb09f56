"""95% intervals of shares, mean scores, paired changes and paired ratios, and exact tests of changes. No torch.

References
----------
E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
paired data", Journal of Educational and Behavioral Statistics 37 (2012).
Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
12 (1947).
R. A. Fisher, "The Design of Experiments" (1935), section 21: the test by exchanging the members of pairs.
G. W. Hill, "Algorithm 396: Student's t-quantiles", Communications of the ACM 13 (1970).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, exp, log, sqrt
from operator import gt, lt, sub
from statistics import fmean, median, stdev

_Z = 1.959964  # bounds of the middle 95% of a normal distribution
_STUDENT = (12.706, 4.303, 3.182, 2.776)  # the same of Student's t, for two to five values
_MOST_ENUMERATED = 16  # differing pairs of which every exchange is counted; of more, a sample
_EXCHANGES = 9_999


@dataclass(frozen=True)
class Score:
    """A share of questions with Wilson's 95% interval, or a mean score with Student's where answers are partly right.

    Attributes
    ----------
    right : float
        Questions answered right, or the sum of their scores.
    asked : int
        All questions.
    share, low, high : float
        ``right / asked`` and the interval, fractions.
    """

    right: float
    asked: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, marks: Sequence[float]) -> Score:
        """From one mark a question, at least one: whether the answer was right, or its score."""
        if not _is_partial(marks):
            return cls.counted(int(sum(marks)), len(marks))
        mean = fmean(marks)
        reach = _student_reach(marks)
        return cls(sum(marks), len(marks), mean, mean - reach, mean + reach)

    @classmethod
    def counted(cls, right: float, asked: int) -> Score:
        """From counts; ``asked`` is at least 1."""
        share = right / asked
        centre = (share + _Z * _Z / (2 * asked)) / (1 + _Z * _Z / asked)
        reach = _Z / (1 + _Z * _Z / asked) * sqrt(share * (1 - share) / asked + _Z * _Z / (4 * asked * asked))
        return cls(right, asked, share, max(centre - reach, 0.0), min(centre + reach, 1.0))


@dataclass(frozen=True)
class Change:
    """The change from one system to another on the same questions, compared question by question.

    Only questions on which the two differ carry information. The interval is Bonett and Price's: Wald's for paired
    shares with one question added to either kind of difference, which keeps its coverage where few questions differ.
    Where answers are partly right it is Student's for the mean of the differences, and the test counts in how many
    exchanges of the two within questions the mean would be as far from zero.

    Attributes
    ----------
    gained, lost : int
        Questions that only the second, and only the first, answered right, or better than the other.
    asked : int
        All questions.
    share, low, high : float
        ``(gained - lost) / asked``, or the mean difference of scores, and its 95% interval, fractions.
    p : float
        McNemar's exact two-sided p, or that of exchanges.
    """

    gained: int
    lost: int
    asked: int
    share: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, before: Sequence[float], after: Sequence[float]) -> Change:
        """From the marks or scores of both systems, question by question.

        Raises ValueError for different numbers of them.
        """
        asked = len(before)
        if len(after) != asked:
            raise ValueError(f"{asked} and {len(after)} marks are not of the same questions")
        # The page compares hundreds of lists of thousands of marks: these loops run in C.
        gained = sum(map(gt, after, before))
        lost = sum(map(lt, after, before))
        if _is_partial(before) or _is_partial(after):
            differences = list(map(sub, after, before))
            mean, reach = fmean(differences), _student_reach(differences)
            return cls(gained, lost, asked, mean, mean - reach, mean + reach, exchange_test(differences))
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
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided p of McNemar's test: binomial over the questions on which the two differ."""
    differ = gained + lost
    tail = sum(comb(differ, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**differ)


def exchange_test(differences: Sequence[float]) -> float:
    """Fisher's two-sided p for a mean difference of pairs: the share of sign changes that reach as large a sum.

    Exact for up to 16 pairs that differ; of more, 9,999 sign changes are drawn, the same ones every time.
    """
    sizes = [abs(one) for one in differences if one]
    reached = abs(sum(differences)) - 1e-9 * sum(sizes)  # sums of floats in another order are not equal
    if not sizes:
        return 1.0
    if len(sizes) <= _MOST_ENUMERATED:
        sums = [0.0]
        for size in sizes:
            sums = [total + signed for total in sums for signed in (size, -size)]
        return sum(abs(total) >= reached for total in sums) / len(sums)
    import numpy as np

    rng, found = np.random.default_rng(0), 1
    for start in range(0, _EXCHANGES, 500):
        drawn = rng.integers(0, 2, (min(500, _EXCHANGES - start), len(sizes)), dtype=np.int8)
        found += int((np.abs((2.0 * drawn - 1) @ np.asarray(sizes)) >= reached).sum())
    return found / (_EXCHANGES + 1)


def _is_partial(marks: Sequence[float]) -> bool:
    return not {0, 1}.issuperset(marks)


def _student_reach(values: Sequence[float]) -> float:
    """Half the width of Student's 95% interval of a mean; 0 for a single value."""
    count = len(values)
    return student(count - 1) * stdev(values) / sqrt(count) if count > 1 else 0.0


def student(degrees: int) -> float:
    """The bound of the middle 95% of Student's t, to three digits. degrees: of freedom, at least 1."""
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    z, n = _Z, 4 * degrees
    return (
        z
        + (z**3 + z) / n
        + (5 * z**5 + 16 * z**3 + 3 * z) / (6 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (6 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (360 * n**4)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of several comparisons, so that those below 0.05 hold together at that level (Holm, 1979).

    Parameters
    ----------
    p_values : sequence of float
        One for each comparison of a family.

    Returns
    -------
    list of float
        In the same order, none smaller than before and none above 1.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class Ratio:
    """The ratio of the second of two paired amounts to the first, over rounds, with its 95% interval.

    From six rounds on the interval is the sign test's, two order statistics of the rounds' ratios, and needs no
    distribution. Of two to five rounds it is Student's for the logarithms of the ratios: so few have no such order
    statistics. A single round has no interval; both ends are the ratio itself.

    Attributes
    ----------
    share : float
        The median of the rounds' ratios.
    low, high : float
        The interval.
    rounds : int
    """

    share: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, first: Sequence[float], second: Sequence[float]) -> Ratio:
        """From positive amounts, round by round. Raises ValueError for none, or different numbers of them."""
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
        """Whether the interval excludes 1; False for a single round."""
        return self.rounds > 1 and (self.low > 1 or self.high < 1)
