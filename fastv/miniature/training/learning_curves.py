"""How a run learns, step by step: noted beside its checkpoints while it goes on, one table in the end."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

_NOTES, _DIGITS = "curve.jsonl", 4


def note(folder: Path, record: dict[str, float]) -> None:
    """Adds a line, with its "step", to the notes in ``folder``."""
    with (folder / _NOTES).open("a", encoding="utf-8") as file:
        print(json.dumps({name: round(value, _DIGITS) for name, value in record.items()}), file=file)


def tabulate(run: Path, stages: Iterable[str], path: Path, earlier: Path | None = None) -> None:
    """One CSV of the stages' notes, each in its folder of ``run``, after the table ``earlier`` of the weights it began
    from, if any.

    Of a step noted twice, as after an interruption, the later.
    """
    rows: list[dict[str, object]] = []
    if earlier and earlier.exists():
        with earlier.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    for stage in stages:
        notes = run / stage / _NOTES
        lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        latest = {record["step"]: record for record in map(json.loads, lines)}
        rows += [{"stage": stage, **latest[step]} for step in sorted(latest)]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(
            file, list(dict.fromkeys(name for row in rows for name in row)) or ["stage"], lineterminator="\n"
        )
        table.writeheader()
        table.writerows(rows)
