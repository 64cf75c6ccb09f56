"""What was timed: one answer, and one quantity over repeated runs. No torch."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """One quantity over repeated runs, in the unit of the field it stands in.

    Attributes
    ----------
    median, low, high : float
        Over the runs; ``low`` and ``high`` are the extremes.
    runs : tuple of float
        In the order in which they were made.
    """

    median: float
    low: float
    high: float
    runs: tuple[float, ...]

    @classmethod
    def of(cls, runs: Iterable[float]) -> Spread:
        runs = tuple(runs)
        return cls(statistics.median(runs), min(runs), max(runs), runs)


@dataclass(frozen=True)
class Pass:
    """One answer: its tokens and what it took.

    Attributes
    ----------
    tokens : tuple of int
        Of the answer, an end token included.
    prefill_seconds : float
        From the call to the first token (TTFT), vision tower included.
    decode_seconds_per_token : float or None
        The mean over the tokens after the first; None for an answer of one token.
    total_seconds : float
        From the call to the last token.
    kv_cache_bytes : int
        Keys and values of all layers when the last token is out: of the prompt and all tokens of the answer but the
        last.
    """

    tokens: tuple[int, ...]
    prefill_seconds: float
    decode_seconds_per_token: float | None
    total_seconds: float
    kv_cache_bytes: int


@dataclass(frozen=True)
class Timing:
    """The seconds of repeated passes. ``decode_seconds_per_token`` is None for answers of a single token."""

    prefill_seconds: Spread
    decode_seconds_per_token: Spread | None
    total_seconds: Spread

    @classmethod
    def of(cls, passes: Sequence[Pass]) -> Timing:
        steps = [one.decode_seconds_per_token for one in passes if one.decode_seconds_per_token is not None]
        return cls(
            prefill_seconds=Spread.of(one.prefill_seconds for one in passes),
            decode_seconds_per_token=Spread.of(steps) if steps else None,
            total_seconds=Spread.of(one.total_seconds for one in passes),
        )
