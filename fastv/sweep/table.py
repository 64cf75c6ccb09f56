"""The table of a sweep: quality and cost at each pruning config against the same model without pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastv.errors import InvalidInputError
from fastv.formatting import budget, percent, points, times
from fastv.inputs.answer_matching import is_match
from fastv.inputs.scoring.base import Measure
from fastv.inputs.scoring.registry import MEASURES
from fastv.pruning.config import PruningConfig
from fastv.stats import Change, Ratio, Score
from fastv.sweep.cells import Cell
from fastv.sweep.run import SampleResult


@dataclass(frozen=True)
class Row:
    """One cell over all questions that could be asked, against no pruning.

    Attributes
    ----------
    config : PruningConfig or None
        The cell; None for the model without pruning.
    same_answer : Score
        Answers that match the ones without pruning.
    right : Score or None
        Right answers, or the mean score, among the questions whose answer is known; None where none is.
    change : Change or None
        From no pruning, paired by question; None where no answer is known, and for no pruning itself.
    prefill_ratio, total_ratio : Ratio
        Seconds to the first and to the last token as a share of those without pruning, paired by question.
    flops_ratio : float or None
        FLOPs of all answers together, prompt and answer, as a share of those without pruning; None where they are not
        known of the model's parts.
    """

    config: Cell
    same_answer: Score
    right: Score | None
    change: Change | None
    prefill_ratio: Ratio
    total_ratio: Ratio
    flops_ratio: float | None

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types, with the config's ``method``, ``k``, ``r`` and ``seed`` at the top; None without pruning."""
        config = self.config.to_dict() if self.config else {"method": None, "k": None, "r": 0.0, "seed": None}
        return config | {name: value for name, value in asdict(self).items() if name != "config"}


def table(
    results: Sequence[SampleResult], configs: Sequence[PruningConfig], measure: Measure = MEASURES["exact"]
) -> list[Row]:
    """A row for the model without pruning, then one for each config.

    Parameters
    ----------
    results
        Of the sweep.
    configs
        Those that were swept.
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
    return [_row(asked, config, measure) for config in (None, *configs)]


def _row(asked: Sequence[SampleResult], config: Cell, measure: Measure) -> Row:
    pairs = [result.answers[config] for result in asked]

    def both(name: str) -> tuple[list[float], list[float]]:
        return [getattr(pair.unpruned, name) for pair in pairs], [getattr(pair.pruned, name) for pair in pairs]

    known = [result for result in asked if result.sample.answers]
    references = [result.sample.reference for result in known]
    before = measure.scores([result.answers[config].unpruned.answer for result in known], references)
    after = measure.scores([result.answers[config].pruned.answer for result in known], references)
    flops = both("total_flops")
    return Row(
        config=config,
        same_answer=Score.of([is_match(pair.pruned.answer, pair.unpruned.answer) for pair in pairs]),
        right=Score.of(after) if known else None,
        change=Change.of(before, after) if known and config else None,
        prefill_ratio=Ratio.of(*both("prefill_seconds")),
        total_ratio=Ratio.of(*both("total_seconds")),
        flops_ratio=None if None in flops[0] + flops[1] else sum(flops[1]) / sum(flops[0]),
    )


def as_markdown(rows: Sequence[Row], measure: Measure = MEASURES["exact"]) -> str:
    """The rows as a table in Markdown, with 95% intervals."""
    lines = [
        f"| | same answer | {measure.label} | change, points | first token | whole answer | FLOPs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            _score(row.same_answer),
            _score(row.right),
            _change(row.change),
            _ratio(row.prefill_ratio),
            _ratio(row.total_ratio),
            "not known" if row.flops_ratio is None else percent(row.flops_ratio),
        ]
        if row.config is None:  # compared with itself
            cells = ["", cells[1], "", "", "", ""]
        lines.append(f"| {_name(row.config)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def notes(results: Sequence[SampleResult]) -> list[str]:
    """What the table leaves out: how many questions it rests on, and those that could not be asked."""
    problems = [result for result in results if result.problem]
    known = sum(bool(result.sample.answers) for result in results)
    return [
        f"{len(results) - len(problems):,} questions, {known:,} of them with a known answer. In brackets: 95% "
        "CIs. Times (medians over the questions) and FLOPs are in percent of those without pruning.",
        *(f"Not asked: {one.sample.image.name}, “{one.sample.question}”: {one.problem}" for one in problems),
    ]


def _name(config: Cell) -> str:
    if config is None:
        return "without pruning"
    method = config.chosen_by
    return budget(config.k, config.r) + ("" if method == "fastv" else f", {method}")


def _score(score: Score | None) -> str:
    return "" if score is None else f"{percent(score.share)} ({percent(score.low)} to {percent(score.high)})"


def _change(change: Change | None) -> str:
    return "" if change is None else f"{points(change.share)} ({points(change.low)} to {points(change.high)})"


def _ratio(ratio: Ratio) -> str:
    return times(ratio.share) + (f" ({ratio.low:.2f} to {ratio.high:.2f})" if ratio.rounds > 1 else "")
