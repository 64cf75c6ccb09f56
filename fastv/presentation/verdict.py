"""A comparison in two sentences: what is certain first, then time to first token, with its uncertainty."""

from __future__ import annotations

from fastv.formatting import change, times
from fastv.inputs.answer_matching import is_match
from fastv.measurement.results import Comparison
from fastv.presentation.cost_table import Relative, rows_of
from fastv.presentation.side_labels import side_labels


def verdict(comparison: Comparison) -> str:
    """Whether the answers agree, what the candidate saves for certain, and what is known of its first token."""
    baseline, candidate = comparison.baseline, comparison.fastv
    is_same = is_match(baseline.answer, candidate.answer)
    certain = [
        f"{words} {noun}"
        for noun, before, after in (
            ("cache", baseline.kv_cache_bytes, candidate.kv_cache_bytes),
            ("work", baseline.prefill_flops, candidate.prefill_flops),
        )
        if before is not None and after is not None and (words := change(before, after))
    ]
    answers = "Same answer" if is_same else "Different answers"
    if certain:
        one_model = baseline.setup.model == candidate.setup.model
        who = " with" if one_model else f"; {side_labels(baseline.setup, candidate.setup)[1].label}:"
        answers += f"{who} {' and '.join(certain)}"
    return f"{answers}. {_first_token(next(row.relative for row in rows_of(comparison)))}"


def _first_token(relative: Relative | None) -> str:
    if relative is None or relative.interval is None:
        return "Speed: one run cannot tell."
    rounds = f"{relative.rounds} rounds"
    if not relative.is_decided:
        return f"Speed: too noisy here to tell ({rounds})."
    low, high = relative.interval
    return f"First token in {times(relative.value)} the time (95% CI {low:.2f}–{high:.2f}×, {rounds})."
