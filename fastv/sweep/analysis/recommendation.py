"""Which setting to use: the cheapest one that loses no more than is accepted, with 95% confidence.

Every setting has a test that is valid at any moment (``sequential_test``), so that a sweep may be looked at while it
runs, ended, and gone on with. Holm's correction makes the promise hold for all settings together: that a recommended
setting loses more than accepted happens in at most 5% of sweeps, whichever setting is picked among those that pass. It
is a promise for questions like these, drawn at random, and for the loss on average.

References
----------
S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
A. Angelopoulos et al., "Learn then Test: calibrating predictive algorithms to achieve risk control", Annals of Applied
Statistics 19 (2025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fastv.errors import InvalidInputError
from fastv.formatting import percent
from fastv.inputs.answer_matching import is_match
from fastv.inputs.scoring.base import Measure
from fastv.pruning.config import PruningConfig
from fastv.stats import holm
from fastv.sweep.analysis.sequential_test import LossTest
from fastv.sweep.analysis.table import Row
from fastv.sweep.analysis.table_text import name_of
from fastv.sweep.results import SampleResult

LEVEL = 0.05  # how often the promise may be broken
_HOPELESS = 20  # times the questions asked, or those that no loss at all would take: more of them are no help
WORTHWHILE = 0.05  # the least saving that is worth a change
Status = Literal["passes", "out", "open"]


@dataclass(frozen=True)
class Verdict:
    """What is known of one setting.

    Attributes
    ----------
    config : PruningConfig
    status : str
        "passes": its loss is within the tolerance; "out": it is not; "open": too few questions to tell.
    loss : float or None
        Mean over the questions, a fraction; None where none was asked.
    p : float
        That it loses more than accepted, adjusted for all settings.
    questions : int
        That were asked at it.
    more : int or None
        About how many more questions would let an open one pass; None where more would not.
    saving : float or None
        1 less the share of the time (or, where nothing was timed, of the FLOPs) without pruning.
    """

    config: PruningConfig
    status: Status
    loss: float | None
    p: float
    questions: int
    more: int | None
    saving: float | None


@dataclass(frozen=True)
class Recommendation:
    """The answer to "lose at most so much".

    Attributes
    ----------
    tolerance : float
        The largest mean loss accepted, a fraction.
    by_agreement : bool
        Whether, for want of known answers, every answer that differs from the one without pruning counts as lost.
    by_time : bool
        Whether savings are of time; else they are of FLOPs.
    chosen : PruningConfig or None
        The cheapest setting that passes and saves enough; None where there is none.
    verdicts : tuple of Verdict
        The cheapest setting first.
    """

    tolerance: float
    by_agreement: bool
    by_time: bool
    chosen: PruningConfig | None
    verdicts: tuple[Verdict, ...]

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types, with the sentence."""
        chosen = self.chosen and self.chosen.to_dict()
        return {**asdict(self), "chosen": chosen, "level": LEVEL, "sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """What to do, and why."""
        lost = f"at most {_points(self.tolerance)} lost"
        if self.by_agreement:
            lost = f"at most {_points(self.tolerance)} of the answers changed"
        by_config = {verdict.config: verdict for verdict in self.verdicts}
        if self.chosen:
            one = by_config[self.chosen]
            told = (
                f"Use {name_of(one.config)}: {lost} with {1 - LEVEL:.0%} confidence ({one.questions:,} questions), "
                f"and {percent(one.saving or 0.0)} of the {self._what} saved."
            )
            cheaper = self.verdicts[: self.verdicts.index(one)]
            return " ".join([told, *self._open(cheaper)])
        passing = [verdict for verdict in self.verdicts if verdict.status == "passes"]
        if passing and not any(verdict.status == "open" for verdict in self.verdicts):
            best = max(verdict.saving or 0.0 for verdict in passing)
            return (
                f"Do not bother: with {lost}, at most {percent(max(best, 0.0))} of the {self._what} is saved "
                "on these questions."
            )
        if not any(verdict.questions for verdict in self.verdicts):
            return "Too few questions are answered for a recommendation."
        if waiting := self._open(self.verdicts):
            return " ".join(waiting)
        if any(verdict.status == "open" for verdict in self.verdicts):
            return f"So far no setting keeps to {lost}; more questions would tell for sure."
        return f"No setting of this sweep keeps to {lost}."

    @property
    def _what(self) -> str:
        return "time" if self.by_time else "FLOPs"

    @property
    def _fewest(self) -> int:
        """About how many questions without any loss let a setting pass."""
        test = LossTest(self.tolerance)
        test.add([0.0])
        return test.more_needed(LEVEL / len(self.verdicts)) or 0

    def _open(self, verdicts: Sequence[Verdict]) -> list[str]:
        """Of the cheapest setting that may still pass."""
        for verdict in verdicts:
            if verdict.status == "open" and verdict.more is not None and _is_worthwhile(verdict):
                named = f"{name_of(verdict.config)}, which would save {percent(verdict.saving or 0.0)}"
                if verdict.more > _HOPELESS * max(verdict.questions, self._fewest):
                    return [f"It loses about {_points(self.tolerance)}, too close to tell: {named}."]
                return [f"Not enough questions for {named}: about {max(verdict.more, 1):,} more."]
        return []


class LossMonitor:
    """The evidence on all settings of a sweep, while it comes.

    Parameters
    ----------
    configs
        The settings that may be recommended.
    tolerance
        The largest mean loss accepted, a fraction.
    measure
        By which answers are scored.

    Raises
    ------
    InvalidInputError
        For a tolerance that is no fraction.
    """

    def __init__(self, configs: Sequence[PruningConfig], tolerance: float, measure: Measure):
        if not 0 < tolerance < 1:
            raise InvalidInputError("What may be lost is more than 0 and less than 100 points.")
        self.tolerance, self.measure, self.by_agreement = tolerance, measure, False
        self.tests = {config: LossTest(tolerance) for config in configs}
        self._losses = dict.fromkeys(configs, 0.0)

    def look(self, results: Sequence[SampleResult]) -> list[PruningConfig]:
        """Take in the results that are new, and return the settings that are clearly out.

        Parameters
        ----------
        results
            In the order in which questions are asked, see ``SweepRun.in_order``: those of earlier looks first.
        """
        usable = [one for one in results if one.answers]
        self.by_agreement = bool(usable) and not any(one.sample.answers for one in usable)
        if not self.by_agreement:
            usable = [one for one in usable if one.sample.answers]
        for config, test in self.tests.items():
            if config in self.out:
                continue
            fresh = usable[test.seen :]
            gone = next((place for place, one in enumerate(fresh) if config not in one.answers), len(fresh))
            losses = self._of(fresh[:gone], config)
            test.add(losses)
            self._losses[config] += sum(losses)
        return self.out

    @property
    def out(self) -> list[PruningConfig]:
        """Settings whose loss is clearly above the tolerance."""
        return [config for config, test in self.tests.items() if test.p_above <= LEVEL]

    def recommend(self, rows: Sequence[Row]) -> Recommendation:
        """The recommendation by now. rows: of the sweep's table; they tell what each setting saves."""
        by_time = any(row.total_ratio for row in rows if row.config)
        savings = {row.config: _saving(row, by_time) for row in rows if row.config}
        adjusted = holm([test.p_below for test in self.tests.values()])
        verdicts = sorted(
            (self._verdict(config, p, savings) for config, p in zip(self.tests, adjusted)),
            key=lambda verdict: -(verdict.saving or 0.0),
        )
        chosen = next((one.config for one in verdicts if one.status == "passes" and _is_worthwhile(one)), None)
        return Recommendation(self.tolerance, self.by_agreement, by_time, chosen, tuple(verdicts))

    def _verdict(self, config: PruningConfig, p: float, savings: Mapping[Any, float | None]) -> Verdict:
        test = self.tests[config]
        status: Status = "passes" if p <= LEVEL else "out" if test.p_above <= LEVEL else "open"
        return Verdict(
            config,
            status,
            self._losses[config] / test.seen if test.seen else None,
            p,
            test.seen,
            test.more_needed(LEVEL / len(self.tests)) if status == "open" else None,
            savings.get(config),
        )

    def _of(self, results: Sequence[SampleResult], config: PruningConfig) -> list[float]:
        """The losses: scores without pruning less those at the config, or answers that differ."""
        pairs = [one.answers[config] for one in results]
        if self.by_agreement:
            return [float(not is_match(pair.pruned.answer, pair.unpruned.answer)) for pair in pairs]
        references = [one.sample.reference for one in results]
        before = self.measure.scores([pair.unpruned.answer for pair in pairs], references)
        after = self.measure.scores([pair.pruned.answer for pair in pairs], references)
        if any(not 0 <= score <= 1 for score in (*before, *after)):
            raise InvalidInputError(
                f"{self.measure.label} has scores above 1, for which no guarantee can be given. Choose another measure."
            )
        return [one - two for one, two in zip(before, after)]


def _saving(row: Row, by_time: bool) -> float | None:
    if by_time:
        return 1 - row.total_ratio.share if row.total_ratio else None
    return None if row.flops_ratio is None else 1 - row.flops_ratio


def _is_worthwhile(verdict: Verdict) -> bool:
    return verdict.saving is None or verdict.saving >= WORTHWHILE


def _points(share: float) -> str:
    value = f"{100 * share:g}"
    return f"{value} point" + ("" if value == "1" else "s")
