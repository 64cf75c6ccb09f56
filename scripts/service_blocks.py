"""Blocks on the page and its HTTP API: waiting times, endpoints, many clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from scripts.block_parts import record, table, wrapped


def waiting_times() -> str:
    """The run of benchmarks/waiting.py."""
    measured = record("waiting")
    pairs = " and ".join(f"{pair['median_seconds']:.1f} s for {model}" for model, pair in measured["pairs"].items())
    return wrapped(
        f"With Python {measured['python']} and torch {measured['torch']} on two idle cores the page was there "
        f"{measured['open_seconds']:.0f} s after the start, and the first pair of answers after "
        f"{measured['first_answer_seconds']:.0f} s; a further pair takes {pairs}, with warm-up, timing and memory "
        "(`python benchmarks/waiting.py`)."
    )


def endpoint_times() -> str:
    """The run of benchmarks/endpoints.py."""
    measured = record("endpoints")
    asked = {
        "run": "one POST to `/gradio_api/run/cost`",
        "call": "`/gradio_api/call/cost` and its event stream",
        "gradio_client": "Gradio's Python client",
        "function": "a direct call of the function",
    }
    cost = [[told, f"{measured['cost'][way]['median'] * 1e3:.1f} ms"] for way, told in asked.items()]
    pair = measured["pair"]
    spent = f"{pair['seconds']['median']:.2f} s, of which {pair['timed_passes']['median']:.2f} s are its timed passes"
    return table(["asked", "median"], [*cost, ["a pair of short answers of mini-7 by `/compare`", spent]])


def load_test() -> str:
    """The run of benchmarks/load.py."""
    measured = record("load")
    crowd, soak = measured["crowd"], measured["soak"]
    outcomes = Counter(one["outcome"] for one in crowd)
    seconds = sorted(one["seconds"] for one in crowd if one["outcome"] == "answer")
    ended = ", ".join(f"{count} {outcome}" for outcome, count in soak["outcomes"].items())
    return table(
        ["what", "result"],
        [
            [
                "clients at once",
                f"{len(crowd)}: {outcomes['answer']} answered, {outcomes['busy']} refused as busy",
            ],
            ["seconds to an answer", f"{seconds[len(seconds) // 2]:.1f} median, {seconds[-1]:.1f} longest"],
            ["mixed requests from 8 clients", ended],
            ["wrong results", str(len(soak["faults"]))],
            ["memory after the first 50", f"{soak['growth']:+.1%}"],
        ],
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "waiting-times": waiting_times,
    "endpoints": endpoint_times,
    "load-test": load_test,
}
