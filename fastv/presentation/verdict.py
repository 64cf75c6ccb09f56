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
    labels = side_labels(baseline.setup, candidate.setup)
    answers = "Same answer" if is_match(baseline.answer, candidate.answer) else "Different answers"
    certain = [
        f"{words.replace('less', fewer)} {noun}"
        for noun, fewer, before, after in (
            ("KV cache", "less", baseline.kv_cache_bytes, candidate.kv_cache_bytes),
            ("prefill FLOPs", "fewer", baseline.prefill_flops, candidate.prefill_flops),
        )
        if before is not None and after is not None and (words := change(before, after))
    ]
    saved = f" {labels[1].label}: {' and '.join(certain)}." if certain else ""
    first_token = next(row.relative for row in rows_of(comparison))
    return f"{answers}.{saved} {_first_token(first_token)}"


def _first_token(relative: Relative | None) -> str:
    if relative is None or relative.interval is None:
        return "Time to first token was measured only once, which does not allow a comparison."
    rounds = f"{relative.rounds} rounds"
    if not relative.is_decided:
        return f"No significant difference in time to first token ({rounds})."
    low, high = relative.interval
    return f"First token in {times(relative.value)} the time (95% CI {low:.2f}–{high:.2f}×, {rounds})."
