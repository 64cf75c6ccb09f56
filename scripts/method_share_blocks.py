"""The blocks about what each method's own work takes of a prefill, from what ``benchmarks/methods.py`` recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

_RECORD = Path(__file__).resolve().parents[1] / "benchmarks" / "measured" / "methods.json"


@lru_cache
def _record() -> dict[str, Any]:
    return json.loads(_RECORD.read_text(encoding="utf-8"))


def method_shares() -> str:
    """A row for each method, a column for each prompt."""
    rows = _record()["rows"]
    cells: dict[str, list[str]] = {}
    for row in rows:
        for entry in row["methods"]:
            told = "refused"
            if own := entry.get("own"):
                share, shorter = entry["share_of_baseline"]["median"], entry["share"]["median"]
                told = f"{1e3 * own['median']:.1f} ms, {share:.1%} ({shorter:.1%})"
            cells.setdefault(entry["method"], []).append(told)
    prompts = (f"{row['visual_tokens']:,} visual tokens, {1e3 * row['baseline']['median']:,.0f} ms" for row in rows)
    headings = ["method", *prompts]
    lines = [headings, ["---"] * len(headings), *([f"`{name}`", *told] for name, told in cells.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def method_shares_setting() -> str:
    """The prompts, the model and the machine, on one line."""
    settings, machine = _record()["settings"], _record()["machine"]
    return (
        f"K={settings['k']} where a method takes it, R={settings['r']:.0%}, width {settings['width']:,}, "
        f"{settings['layers']} layers, {settings['dtype']}, medians of {settings['repeats']} prefills; "
        f"{machine['threads']} threads on {machine['device']}, torch {machine['torch']}"
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "method-shares": method_shares,
    "method-shares-setting": method_shares_setting,
}
