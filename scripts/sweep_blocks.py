"""Blocks on what a sweep costs."""

from __future__ import annotations

from collections.abc import Callable

from scripts.block_parts import record, table


def sweep_sharing() -> str:
    """The run of benchmarks/sweep_sharing.py."""
    measured = record("sweep_sharing")
    batch = measured["settings"]["batch"]
    told = {
        "by_themselves": "every answer by itself",
        "shared": "branching off one pass",
        "shared_and_guessed": "that, with guesses",
        "shared_guessed_and_batched": f"that, with up to {batch} questions together",
    }
    return table(
        ["answers", "processor time", "wall clock", "answers that differ"],
        [
            [words, f"{way['cpu_ratio']:.2f}", f"{way['ratio']:.2f}", str(way["different_answers"])]
            for words, way in ((words, measured["ways"][name]) for name, words in told.items())
        ],
    )


def sweep_flops_share() -> str:
    """What is left of the FLOPs of that run."""
    return f"{record('sweep_sharing')['flops_share']:.2f}"


BLOCKS: dict[str, Callable[[], str]] = {
    "sweep-sharing": sweep_sharing,
    "sweep-flops-share": sweep_flops_share,
}
