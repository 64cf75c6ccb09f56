"""The table of a comparison: every measured or computed quantity of both sides, and their ratios, as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from fastv.formatting import COUNT, FLOPS, MEMORY, TIME, Unit, change, number, times, unit_for
from fastv.measurement.results import Comparison
from fastv.measurement.timed import Spread
from fastv.presentation.html import render
from fastv.presentation.side_labels import USUAL, SideLabel, side_labels
from fastv.stats import Ratio

_NOTHING = "–"


@dataclass(frozen=True)
class Relative:
    """A quantity of the candidate as a multiple of the baseline's.

    Parameters
    ----------
    value : float
        The ratio of the two values that are shown, for repeated runs of their medians.
    interval : (float, float) or None
        95% CI of the ratio from the rounds, paired; None where nothing was repeated or nothing varies.
    rounds : int
        How often it was measured, 0 for what is computed or counted.
    """

    value: float
    interval: tuple[float, float] | None = None
    rounds: int = 0

    @property
    def is_decided(self) -> bool:
        """Whether the ratio differs from 1 beyond noise: the CI excludes 1 and the ratio shown lies within the CI."""
        if not self.rounds:
            return True
        if self.interval is None:
            return False
        low, high = (round(end, 2) for end in self.interval)  # as it is shown
        return not low <= 1 <= high and low <= round(self.value, 2) <= high


@dataclass(frozen=True)
class CostRow:
    """One line of the table, in base units. Values are None before a run, a Spread where runs were repeated."""

    title: str
    note: str
    noun: str
    units: tuple[Unit, ...]
    hint: str
    baseline: float | Spread | None = None
    candidate: float | Spread | None = None

    @property
    def values(self) -> tuple[float | None, float | None]:
        """What is shown of both sides: medians of repeated runs."""
        return _median(self.baseline), _median(self.candidate)

    @property
    def relative(self) -> Relative | None:
        """None where a side has no value."""
        baseline, candidate = self.values
        if not baseline or candidate is None:
            return None
        if isinstance(self.baseline, Spread) and isinstance(self.candidate, Spread):
            paired = Ratio.of(self.baseline.runs, self.candidate.runs)
            interval = (paired.low, paired.high) if paired.rounds > 1 else None
            return Relative(candidate / baseline, interval, paired.rounds)
        return Relative(candidate / baseline)


def _median(value: float | Spread | None) -> float | None:
    return value.median if isinstance(value, Spread) else value


def rows_of(comparison: Comparison | None) -> Iterator[CostRow]:
    """The lines of the table; without a comparison their values are None."""
    layers = _pruned_layers(comparison) if comparison else "from layer K on"
    tokens = _answer_lengths(comparison) if comparison else "to the last token"
    flops_known = comparison is None or None not in (comparison.baseline.prefill_flops, comparison.fastv.prefill_flops)
    for title, note, noun, units, hint, quantity in (
        (
            "First token",
            "prefill",
            "time",
            TIME,
            "Time until the first token of the answer: the model reads image and question (prefill).",
            lambda run: run.timing.prefill_seconds,
        ),
        ("Per token", "after the first", "time", TIME, "", lambda run: run.timing.decode_seconds_per_token),
        ("Total", tokens, "time", TIME, "", lambda run: run.timing.total_seconds),
        ("Peak memory", "weights included", "memory", MEMORY, "", lambda run: run.peak_bytes),
        (
            "KV cache",
            "at the end",
            "memory",
            MEMORY,
            "Keys and values of all tokens, stored until the answer ends. It grows with every token and every "
            "concurrent request.",
            lambda run: run.kv_cache_bytes,
        ),
        ("Visual tokens", layers, "tokens", COUNT, "", lambda run: run.visual_tokens),
        (
            "Prefill FLOPs",
            "computed, exact" if flops_known else "not known for this model",
            "FLOPs",
            FLOPS,
            "Floating-point operations to read image and question, computed: 2 per multiply-add, with vision tower, "
            "projector and lm_head, without the ranking of visual tokens.",
            lambda run: run.prefill_flops,
        ),
    ):
        sides = (quantity(comparison.baseline), quantity(comparison.fastv)) if comparison else (None, None)
        yield CostRow(title, note, noun, units, hint, *sides)


def _pruned_layers(comparison: Comparison) -> str:
    """From which layer on the sides see as many visual tokens as the table says."""
    ks = dict.fromkeys(side.setup.k for side in (comparison.baseline, comparison.fastv) if side.setup.k is not None)
    return f"from layer {' or '.join(map(str, ks))} on" if ks else "all layers"


def _answer_lengths(comparison: Comparison) -> str:
    first, second = comparison.baseline.answer_tokens, comparison.fastv.answer_tokens
    return f"{first} token{'s' if first != 1 else ''}" if first == second else f"{first} and {second} tokens"


def table(comparison: Comparison | None = None, labels: tuple[SideLabel, SideLabel] = USUAL) -> Markup:
    """Both sides and their ratio, line by line, and how they were measured.

    Parameters
    ----------
    comparison : Comparison, optional
        Without one, the same table with empty cells.
    labels : pair of SideLabel
        The sides' labels as long as there is no comparison.
    """
    if comparison is not None:
        labels = side_labels(comparison.baseline.setup, comparison.fastv.setup)
    return render(
        "presentation/cost_table",
        labels=labels,
        rows=[_shown(row) for row in rows_of(comparison)],
        methods=None if comparison is None else how_measured(comparison),
    )


def _shown(row: CostRow) -> dict[str, object]:
    amounts = [amount for amount in row.values if amount is not None]
    unit = unit_for(amounts or [0], row.units)
    return {
        "title": row.title,
        "unit": unit.name if amounts else "",
        "note": row.note,
        "hint": row.hint,
        "cells": [_cell(row.baseline, unit), _cell(row.candidate, unit)],
        "ratio": _ratio_cell(row),
    }


def _cell(value: float | Spread | None, unit: Unit) -> tuple[str, str]:
    """The value, and the range of repeated runs."""
    if value is None:
        return _NOTHING, ""
    if not isinstance(value, Spread):
        return number(value if unit.size == 1 else value / unit.size), ""
    low, high = number(value.low / unit.size), number(value.high / unit.size)
    return number(value.median / unit.size), f"{low}–{high}"


@dataclass(frozen=True)
class _RatioCell:
    """What is shown as the ratio. ``interval`` is its 95% CI; of an undecided one it goes into the tooltip."""

    text: str
    noun: str = ""
    note: str = ""
    interval: str = ""
    undecided: bool = False


def _ratio_cell(row: CostRow) -> _RatioCell:
    """Undecided ratios are shown without a number."""
    relative = row.relative
    if relative is None:
        return _RatioCell(_NOTHING)
    if not relative.rounds:
        if relative.value == 1:
            return _RatioCell("the same", row.noun)
        return _RatioCell(times(relative.value), f"the {row.noun}", change(*(value or 0.0 for value in row.values)))
    if relative.interval is None:
        return _RatioCell("?", note="one run only", undecided=True)
    interval = f"{relative.interval[0]:.2f}–{relative.interval[1]:.2f}×"
    if relative.is_decided:
        return _RatioCell(times(relative.value), f"the {row.noun}", interval=interval)
    return _RatioCell("≈", note="no significant difference", interval=interval, undecided=True)


def how_measured(comparison: Comparison) -> str:
    """Models, machine, repetitions and counting conventions, in a few sentences."""
    machine, repeats = comparison.machine, comparison.repeats
    baseline, candidate = comparison.baseline.setup, comparison.fastv.setup
    threads = f", {machine.threads} thread{'s' if machine.threads != 1 else ''}" if candidate.device == "cpu" else ""
    models = " and ".join(dict.fromkeys(f"{side.model} in {side.dtype}" for side in (baseline, candidate)))
    weights = "" if baseline.model == candidate.model else ", each with its own model's weights"
    timed = (
        f"medians of {repeats} rounds in which both sides alternate, range below; ratios of these medians, with the "
        "95% CI of the ratios by round"
        if repeats > 1
        else "one run of each side, too few to separate a difference from noise"
    )
    warmup = f"{comparison.warmup} warm-up pass{'' if comparison.warmup == 1 else 'es'} per side"
    return (
        f"{models} on {machine.device}{threads}{machine.share}. Times: {timed}, after {warmup}. "
        f"Peak memory: from an untimed run{weights}. FLOPs: computed, 2 per multiply-add, with vision tower, projector "
        f"and lm_head. PyTorch {machine.torch}, Transformers {machine.transformers}, Python {machine.python}."
    )
