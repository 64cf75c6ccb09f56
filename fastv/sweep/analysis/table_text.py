"""A sweep's tables in Markdown, and what stands beneath them."""

from __future__ import annotations

from collections.abc import Sequence

from fastv.formatting import budget, percent, points, times
from fastv.inputs.scoring.base import Measure
from fastv.inputs.scoring.registry import MEASURES
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Change, Ratio, Score
from fastv.sweep.analysis.table import PartRow, Row
from fastv.sweep.cells import Cell
from fastv.sweep.results import SampleResult

_MOST_PARTS = 20  # rows of tasks and groups that are printed


def as_markdown(rows: Sequence[Row], measure: Measure = MEASURES["exact"]) -> str:
    """The rows as a table, with 95% intervals; columns of which nothing is known are left out."""
    columns = {
        "same answer": [_score(row.same_answer) if row.config else "" for row in rows],
        measure.label: [_score(row.right) for row in rows],
        "change, points": [_change(row.change) for row in rows],
        "p (Holm)": ["" if row.p_holm is None else f"{row.p_holm:.2g}" for row in rows],
        "right to wrong, wrong to right": [
            "" if row.change is None else f"{row.change.lost:,}, {row.change.gained:,}" for row in rows
        ],
        "first token": [_ratio(row.prefill_ratio) if row.config else "" for row in rows],
        "whole answer": [_ratio(row.total_ratio) if row.config else "" for row in rows],
        "method, ms": ["" if row.method_seconds is None else f"{1000 * row.method_seconds:.2g}" for row in rows],
        "KV cache": [_share(row.kv_cache_ratio) if row.config else "" for row in rows],
        "peak memory": [_share(row.peak_ratio) if row.config else "" for row in rows],
        "FLOPs": [_share(row.flops_ratio, "not known") if row.config else "" for row in rows],
    }
    told = {heading: cells for heading, cells in columns.items() if any(cells)}
    names = [name_of(row.config) + (" (control)" if row.control else "") for row in rows]
    return _markdown(["", *told], [[name, *cells] for name, *cells in zip(names, *told.values())])


def parts_as_markdown(rows: Sequence[PartRow], measure: Measure = MEASURES["exact"]) -> str:
    """The tasks and groups that lose most; empty where there are none."""
    if not rows:
        return ""
    heading = ["", "at", f"{measure.label} without pruning", measure.label, "change, points", "p (Holm)"]
    lines = [
        [
            f"{row.part} {row.name}",
            name_of(row.config),
            percent(row.before.share),
            _score(row.after),
            _change(row.change),
            f"{row.p_holm:.2g}",
        ]
        for row in rows[:_MOST_PARTS]
    ]
    return _markdown(heading, lines)


def notes(results: Sequence[SampleResult]) -> list[str]:
    """What the table leaves out: how many questions it rests on, and those that could not be asked."""
    problems = [result for result in results if result.problem]
    known = sum(bool(result.sample.answers) for result in results)
    timed = sum(bool(result.times) for result in results)
    return [
        f"{len(results) - len(problems):,} questions, {known:,} of them with a known answer. In brackets: 95% CIs.",
        f"Times (medians over {timed:,} questions, each timed by itself, in passes that share nothing), KV cache, peak "
        "memory (of one question, weights included) and FLOPs are relative to those without pruning."
        if timed
        else "FLOPs are relative to those without pruning. No question was timed.",
        *(f"Not asked: {one.sample.image.name}, “{one.sample.question}”: {one.problem}" for one in problems),
        *_refused(results),
    ]


def _refused(results: Sequence[SampleResult]) -> list[str]:
    """A line for each setting that could not serve some questions, with the first reason."""
    found: dict[Cell, list[str]] = {}
    for result in results:
        for config, reason in result.refused.items():
            found.setdefault(config, []).append(reason)
    return [f"{name_of(config)} left out {len(reasons):,} questions: {reasons[0]}" for config, reasons in found.items()]


def name_of(config: Cell) -> str:
    """A cell for people: its budget, behind the label of its method where that is not FastV."""
    if config is None:
        return "without pruning"
    method = METHODS[config.chosen_by]
    amount = budget(config.k if method.takes_k else None, config.r)
    return amount if method.name == "fastv" else f"{method.label}, {amount}"


def _markdown(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heading, ["---"] * len(heading), *lines))


def _score(score: Score | None) -> str:
    return "" if score is None else f"{percent(score.share)} ({percent(score.low)} to {percent(score.high)})"


def _change(change: Change | None) -> str:
    return "" if change is None else f"{points(change.share)} ({points(change.low)} to {points(change.high)})"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    return times(ratio.share) + (f" ({ratio.low:.2f} to {ratio.high:.2f})" if ratio.rounds > 1 else "")


def _share(share: float | None, unknown: str = "") -> str:
    return unknown if share is None else percent(share)
