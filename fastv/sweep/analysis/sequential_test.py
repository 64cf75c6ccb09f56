"""A test of "the mean loss is below a tolerance" that holds whenever one looks at it, and however often.

Losses come one by one, of questions in random order. Money is bet on each that it is smaller than the tolerance: the
capital, which is spread over several stakes, is multiplied by ``1 + stake * (tolerance - loss)``. Were the true mean
loss at or above the tolerance, no such bet would be favourable, and by Ville's inequality the capital would ever reach
``1 / p`` with probability at most ``p``: the inverse of the highest capital so far is a p-value at every moment.

References
----------
I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024): section 4.
A. Ramdas, P. Grünwald, V. Vovk and G. Shafer, "Game-theoretic statistics and safe anytime-valid inference",
Statistical Science 38 (2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, log

import numpy as np

_STAKES = 0.95 * 2.0 ** -np.arange(7)  # parts of the largest possible stake
_SHARES = 1 / np.arange(1, 8) / (1 / np.arange(1, 8)).sum()  # of the first capital, by stake: most where it grows fast


class LossTest:
    """The evidence on one setting.

    Parameters
    ----------
    tolerance : float
        The largest mean loss that is accepted, 0 to 1 (exclusive).

    Raises
    ------
    ValueError
        For another tolerance.
    """

    def __init__(self, tolerance: float):
        if not 0 <= tolerance < 1:
            raise ValueError(f"a tolerance is at least 0 and below 1, not {tolerance}")
        self.tolerance = tolerance
        self._losses: list[float] = []
        self._below = _Capital(1 / (1 - tolerance))  # gains are at least tolerance - 1
        self._above = _Capital(1 / (1 + tolerance))

    def add(self, losses: Iterable[float]) -> None:
        """Further losses, in the order of the questions, each between -1 and 1. Raises ValueError for others."""
        new = list(losses)
        if any(not -1 <= loss <= 1 for loss in new):
            raise ValueError("a loss is between -1 and 1")
        self._losses += new
        gains = self.tolerance - np.asarray(new, dtype=float)
        self._below.bet(gains)
        self._above.bet(-gains)

    @property
    def seen(self) -> int:
        return len(self._losses)

    @property
    def p_below(self) -> float:
        """Small where the mean loss is below the tolerance: the p-value of its being there or above."""
        return self._below.p

    @property
    def p_above(self) -> float:
        """Small where the mean loss is above the tolerance: the p-value of its being there or below."""
        return self._above.p

    def more_needed(self, level: float) -> int | None:
        """About how many more losses like these would bring ``p_below`` to a level; None where they never would."""
        if not self._losses:
            return None
        gains = self.tolerance - np.asarray(self._losses)
        growth = np.log1p(np.outer(_STAKES * self._below.most, gains)).mean(axis=1)
        missing = -log(level) - self._below.logs - np.log(_SHARES)
        if growth.max() <= 0:
            return None
        return max(0, ceil(float((missing[growth > 0] / growth[growth > 0]).min())))


class _Capital:
    """Bets on one quantity's being positive on average; most: the largest stake that cannot lose all."""

    def __init__(self, most: float):
        self.most = most
        self.logs = np.zeros(len(_STAKES))  # of the capital by stake, which begins at 1
        self.p = 1.0

    def bet(self, gains: np.ndarray) -> None:
        """On each of these in turn: (n,)."""
        if not len(gains):
            return
        logs = self.logs + np.log1p(np.outer(gains, _STAKES * self.most)).cumsum(axis=0)  # (n, stakes)
        top = logs.max(axis=1, keepdims=True)
        capital = top[:, 0] + np.log(np.exp(logs - top) @ _SHARES)
        self.p, self.logs = min(self.p, float(np.exp(-capital.max()))), logs[-1]
