"""The generated block of docs/leaderboard.md, from the sweeps in assets/measured/sweeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from fastv.errors import InvalidInputError
from fastv.formatting import percent, points
from fastv.paths import ASSETS
from fastv.pruning.methods.registry import METHODS

FOLDER = ASSETS / "measured" / "sweeps"
FEWEST_QUESTIONS = 200
_NEEDED = ("model", "date", "version", "data", "dtype", "machine", "questions", "score", "rows")

Entry = Mapping[str, Any]


def entries(folder: Path = FOLDER) -> list[Entry]:
    """Every sweep that was handed in. Raises InvalidInputError, naming the file, for one that cannot be used."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(checked(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, InvalidInputError) as error:
            raise InvalidInputError(f"{path.name}: {error}") from error
    return found


def checked(entry: Entry) -> Entry:
    """A sweep as ``fastv sweep --report`` writes it. Raises InvalidInputError for what it lacks."""
    lacking = [name for name in _NEEDED if entry.get(name) in (None, "", [])]
    if lacking:
        raise InvalidInputError(f"it lacks {', '.join(lacking)}: write it anew with fastv sweep --report.")
    if entry["questions"] < FEWEST_QUESTIONS:
        raise InvalidInputError(f"{entry['questions']} questions are too few: ask at least {FEWEST_QUESTIONS}.")
    if not any(row["method"] is None for row in entry["rows"]):
        raise InvalidInputError("it lacks the row without pruning.")
    if not any(row.get("control") for row in entry["rows"]):
        raise InvalidInputError("it lacks the controls: leave --no-controls out.")
    unknown = {row["method"] for row in entry["rows"]} - {None, *METHODS}
    if unknown:
        raise InvalidInputError(f"it has unknown methods: {', '.join(sorted(unknown))}.")
    if any(row["method"] and not row.get("change") for row in entry["rows"]):
        raise InvalidInputError("the answers of its data are not known, so that nothing can be ranked.")
    return entry


def leaderboard() -> str:
    """A table for each data set and model, its rows by what they lose."""
    ordered = sorted(entries(), key=lambda entry: (entry["data"], entry["model"], entry["date"]))
    parts = []
    for data, some in groupby(ordered, key=lambda entry: entry["data"]):
        parts += [f"### {data}", *(_table(entry) for entry in some)]
    return "\n\n".join(parts)


def _table(entry: Entry) -> str:
    (unpruned,) = (row for row in entry["rows"] if row["method"] is None)
    rows = sorted((row for row in entry["rows"] if row["method"]), key=lambda row: (-row["r"], -row["change"]["share"]))
    lines = [["method", "K", "R", "FLOPs", "first token", entry["score"], "change, points", "p (Holm)"]]
    lines.append(["---"] * len(lines[0]))
    lines.append(["no pruning", "", "", "100%", "100%", percent(unpruned["right"]["share"]), "", ""])
    for row in rows:
        method, change = METHODS[row["method"]], row["change"]
        lines.append(
            [
                f"{method.label} (control)" if row.get("control") else method.label,
                str(row["k"]) if method.takes_k else "",
                percent(row["r"]),
                percent(row["flops_ratio"]) if row.get("flops_ratio") else "not known",
                percent(row["prefill_ratio"]["share"]) if row.get("prefill_ratio") else "not timed",
                percent(row["right"]["share"]),
                f"{points(change['share'])} ({points(change['low'])} to {points(change['high'])})",
                f"{row['p_holm']:.2g}" if row.get("p_holm") is not None else "",
            ]
        )
    heading = (
        f"**{entry['model']}**, {entry['dtype']}, {entry['questions']:,} questions, {entry['date']}, fastv-explorer "
        f"{entry['version']}, times on {entry['machine']['device']}"
    )
    return f"{heading}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


BLOCKS: dict[str, Callable[[], str]] = {"leaderboard": leaderboard}
