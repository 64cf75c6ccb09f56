"""The table of a sweep: quality and cost at each pruning config against the same model without pruning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from fastv.errors import InvalidInputError
from fastv.inputs.answer_matching import is_match
from fastv.inputs.scoring.base import Measure
from fastv.inputs.scoring.registry import MEASURES
from fastv.pruning.config import OPTIONS, PruningConfig
from fastv.stats import Change, Ratio, Score, holm
from fastv.sweep.cells import Cell, CellAnswer
from fastv.sweep.results import SampleResult

_PARTS: dict[str, Callable[[SampleResult], str | None]] = {
    "task": lambda result: result.sample.task,
    "group": lambda result: result.sample.group,
}


@dataclass(frozen=True)
class Row:
    """One cell over all questions that could be asked, against no pruning.

    Attributes
    ----------
    config : PruningConfig or None
        The cell; None for the model without pruning.
    asked : int
        Questions.
    same_answer : Score
        Answers that match the ones without pruning.
    right : Score or None
        Right answers, or the mean score, among the questions whose answer is known; None where none is.
    change : Change or None
        From no pruning, paired by question; None where no answer is known, and for no pruning itself. Its ``lost`` went
        from right to wrong, its ``gained`` from wrong to right.
    p_holm : float or None
        The change's p, adjusted for all rows of the table (Holm).
    prefill_ratio, total_ratio : Ratio or None
        Seconds to the first and to the last token as a share of those without pruning, paired by question; None where
        no question was timed.
    method_seconds : float or None
        Spent in the method's own choice of tokens, median.
    kv_cache_ratio, peak_ratio : float or None
        Bytes of the KV cache (all timed questions together) and the most memory in use (of one question, weights
        included) as a share of those without pruning.
    flops_ratio : float or None
        FLOPs of all answers together, prompt and answer, as a share of those without pruning; None where they are not
        known of the model's parts.
    control : bool
        Whether it was added to compare the others with.
    """

    config: Cell
    asked: int
    same_answer: Score
    right: Score | None
    change: Change | None
    p_holm: float | None
    prefill_ratio: Ratio | None
    total_ratio: Ratio | None
    method_seconds: float | None
    kv_cache_ratio: float | None
    peak_ratio: float | None
    flops_ratio: float | None
    control: bool = False

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types, with the config's fields at the top; None without pruning."""
        return _config_dict(self.config) | {name: value for name, value in asdict(self).items() if name != "config"}


@dataclass(frozen=True)
class PartRow:
    """One cell over the questions of one task or group whose answer is known.

    Attributes
    ----------
    part, name : str
        "task" or "group", and which.
    config : PruningConfig
        The cell.
    before, after : Score
        Right answers without pruning and at the cell.
    change : Change
        Between the two.
    p_holm : float
        The change's p, adjusted for all rows of this kind.
    """

    part: str
    name: str
    config: PruningConfig
    before: Score
    after: Score
    change: Change
    p_holm: float

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types, with the config's fields at the top."""
        return _config_dict(self.config) | {name: value for name, value in asdict(self).items() if name != "config"}


def table(
    results: Sequence[SampleResult],
    configs: Sequence[PruningConfig],
    measure: Measure = MEASURES["exact"],
    controls: Sequence[PruningConfig] = (),
) -> list[Row]:
    """A row for the model without pruning, then one for each config and each control.

    Parameters
    ----------
    results
        Of the sweep.
    configs, controls
        Those that were swept. Each row covers the questions that were asked at its config.
    measure
        By which answers are scored.

    Raises
    ------
    InvalidInputError
        Where no question could be asked.
    """
    asked = [result for result in results if result.answers]
    if not asked:
        reason = next((result.problem for result in results if result.problem), "")
        raise InvalidInputError(f"No question could be asked. {reason}".strip())
    known = {config: [result for result in asked if config in result.answers] for config in (None, *configs, *controls)}
    rows = [_row(found, config, measure, config in controls) for config, found in known.items() if found]
    adjusted = iter(holm([row.change.p for row in rows if row.change]))
    return [replace(row, p_holm=next(adjusted)) if row.change else row for row in rows]


def part_table(
    results: Sequence[SampleResult], configs: Sequence[PruningConfig], measure: Measure = MEASURES["exact"]
) -> list[PartRow]:
    """Each task and each group at each config, those that lose most first; empty where the data name none."""
    rows = []
    for part, name_of in _PARTS.items():
        names = sorted({name for result in results if (name := name_of(result)) is not None})
        for name in names:
            for config in configs:
                found = [result for result in results if name_of(result) == name and config in result.answers]
                scored = _scores(found, config, measure)
                if scored:
                    before, after = scored
                    rows.append(
                        PartRow(part, name, config, Score.of(before), Score.of(after), Change.of(before, after), 1.0)
                    )
    rows = [replace(row, p_holm=p) for row, p in zip(rows, holm([row.change.p for row in rows]))]
    return sorted(rows, key=lambda row: (row.change.share, row.change.p))


def _row(asked: Sequence[SampleResult], config: Cell, measure: Measure, control: bool) -> Row:
    pairs = [result.answers[config] for result in asked]
    scored = _scores(asked, config, measure)
    times = [result.times[config] for result in asked if config in result.times]

    def ratio(name: str) -> Ratio | None:
        sides = [[getattr(side, name) for side in both] for both in zip(*((t.unpruned, t.pruned) for t in times))]
        return Ratio.of(*sides) if sides else None

    def share(pairs: Sequence[Any], name: str) -> float | None:
        """Of all together; None where one is not known."""
        before, after = ([getattr(getattr(pair, side), name) for pair in pairs] for side in ("unpruned", "pruned"))
        return None if not before or None in before + after else sum(after) / sum(before)

    own = [time.pruned.method_seconds for time in times if time.pruned.method_seconds is not None]
    return Row(
        config=config,
        asked=len(asked),
        same_answer=Score.of([is_match(pair.pruned.answer, pair.unpruned.answer) for pair in pairs]),
        right=Score.of(scored[1]) if scored else None,
        change=Change.of(*scored) if scored and config else None,
        p_holm=None,
        prefill_ratio=ratio("prefill_seconds"),
        total_ratio=ratio("total_seconds"),
        method_seconds=median(own) if own else None,
        kv_cache_ratio=share(times, "kv_cache_bytes"),
        peak_ratio=share([time for time in times if time.pruned.peak_bytes and time.unpruned.peak_bytes], "peak_bytes"),
        flops_ratio=share(pairs, "total_flops"),
        control=control,
    )


def _scores(asked: Sequence[SampleResult], config: Cell, measure: Measure) -> tuple[list[float], list[float]] | None:
    """Scores without pruning and at the cell, of the questions whose answer is known; None where there are none."""
    known = [result for result in asked if result.sample.answers]
    if not known:
        return None
    references = [result.sample.reference for result in known]

    def scores(side: Callable[[SampleResult], CellAnswer]) -> list[float]:
        return measure.scores([side(result).answer for result in known], references)

    return scores(lambda one: one.answers[config].unpruned), scores(lambda one: one.answers[config].pruned)


def _config_dict(config: Cell) -> dict[str, Any]:
    return config.to_dict() if config else {"method": None, "k": None, "r": 0.0, "seed": None, **dict.fromkeys(OPTIONS)}
