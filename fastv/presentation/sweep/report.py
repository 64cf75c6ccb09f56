"""A finished sweep to take away: one HTML file that stands alone, and its tables as CSV, JSON and Parquet.

All of them are made from what ``fastv sweep --json`` prints.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fastv import __version__
from fastv.errors import InvalidInputError
from fastv.formatting import budget, percent, points, times
from fastv.presentation.html import render
from fastv.presentation.report import style
from fastv.presentation.sweep.frontier import Mark, frontier
from fastv.pruning.methods.registry import METHODS

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_FROM_COST = (("flops_ratio", "FLOPs"), ("prefill_ratio", "time to first token"))

Sweep = Mapping[str, Any]
Row = Mapping[str, Any]


def write_report(path: Path, sweep: Sweep) -> None:
    """Write a sweep to a file in the format that its suffix tells, one of ``FORMATS``.

    Raises
    ------
    InvalidInputError
        For other suffixes, where pyarrow is missing for Parquet, and where the file cannot be written.
    """
    data = check_format(path)(sweep)
    try:
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error}") from error


def check_format(path: Path) -> Callable[[Sweep], str | bytes]:
    """What makes a file of this suffix. Raises InvalidInputError where there is nothing: before a sweep, not after."""
    made = FORMATS.get(path.suffix.lower())
    if made is None:
        raise InvalidInputError(f"“{path.name}”: a report's name ends with {', '.join(FORMATS)}.")
    return made


def as_json(sweep: Sweep) -> str:
    """Everything, as ``--json`` prints it."""
    return json.dumps(sweep, ensure_ascii=False, indent=2) + "\n"


def as_csv(sweep: Sweep) -> str:
    """A line for each setting, then one for each setting and task or group."""
    lines, text = flat_rows(sweep), StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_parquet(sweep: Sweep) -> bytes:
    """The lines of the CSV with their types."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidInputError(
            "A Parquet file needs the package pyarrow: pip install pyarrow, or pip install 'fastv-explorer[app]'."
        ) from error
    data = BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(flat_rows(sweep)), data)
    return data.getvalue()


def flat_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """All rows with the same columns and without nesting: ``change`` becomes ``change_share``, ``change_low``, ...

    ``part`` and ``name`` say which questions a row is of; both are None for all of them.
    """
    rows = [_flat({"part": None, "name": None, **row}) for row in (*sweep["rows"], *sweep.get("parts", ()))]
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{"model": sweep["model"], "score": sweep.get("score")} | dict.fromkeys(columns) | row for row in rows]


def as_html(sweep: Sweep) -> Markup:
    """One page with the recommendation, the tables, and cost against quality as a drawing; nothing is fetched."""
    rows = sweep["rows"]
    return render(
        "presentation/sweep/report",
        policy=_POLICY,
        style=style(),
        model=sweep["model"],
        questions=sweep["questions"],
        sentence=(sweep.get("recommendation") or {}).get("sentence"),
        columns=columns_of(rows),
        names=[setting_name(row) for row in rows],
        drawing=_drawing(rows),
        parts=[_part(row) for row in sweep.get("parts", ())],
        problems=sweep.get("problems", ()),
        bad_rows=sweep.get("bad_rows", ()),
        settings=[
            (term, value)
            for term, value in (
                ("Date", sweep.get("date")),
                ("Score", sweep.get("score")),
                ("All answers", sweep.get("output")),
                ("Version", f"fastv-explorer {__version__}"),
            )
            if value
        ],
    )


FORMATS: dict[str, Callable[[Sweep], str | bytes]] = {
    ".html": as_html,
    ".csv": as_csv,
    ".json": as_json,
    ".parquet": as_parquet,
}


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= {f"{name}_{inner}": one for inner, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


Cell = tuple[str, str]  # a value, and its interval or nothing
_NOTHING: Cell = ("", "")


def columns_of(rows: Sequence[Row]) -> dict[str, list[Cell]]:
    """The table of a sweep. Heading -> a cell for each row; columns of which nothing is known are left out."""
    changes = [row.get("change") or {} for row in rows]
    # What decides comes first: a narrow page shows no more without being scrolled.
    columns = {
        "Score": [_interval(row, "right", percent) for row in rows],
        "Change, points": [_interval(row, "change", points) for row in rows],
        "p (Holm)": [_plain(row.get("p_holm"), _p) for row in rows],
        "First token": [_interval(row, "prefill_ratio", times) for row in rows],
        "Whole answer": [_interval(row, "total_ratio", times) for row in rows],
        "FLOPs": [_plain(row.get("flops_ratio"), percent) for row in rows],
        "Same answer": [_interval(row, "same_answer", percent) for row in rows],
        "Right to wrong": [_plain(change.get("lost"), "{:,}".format) for change in changes],
        "Wrong to right": [_plain(change.get("gained"), "{:,}".format) for change in changes],
        "Method, ms": [_plain(row.get("method_seconds"), lambda seconds: f"{1000 * seconds:.2g}") for row in rows],
        "KV cache": [_plain(row.get("kv_cache_ratio"), percent) for row in rows],
        "Peak memory": [_plain(row.get("peak_ratio"), percent) for row in rows],
    }
    return {heading: cells for heading, cells in columns.items() if any(cell != _NOTHING for cell in cells)}


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 0.001 else "<0.001"


def _interval(row: Row, name: str, written: Callable[[float], str]) -> Cell:
    found = row.get(name)
    if not found or (row["method"] is None and name != "right"):  # compared with itself
        return _NOTHING
    # At most two lines in a narrow column.
    return written(found["share"]), f"{written(found['low'])}\u00a0to {written(found['high'])}"


def _plain(value: float | None, written: Callable[[float], str]) -> Cell:
    return _NOTHING if value is None else (written(value), "")


def _part(row: Row) -> tuple[str, str, list[Cell]]:
    """Which questions, at which setting, and the cells after that."""
    before, after = (_interval(row, name, percent) for name in ("before", "after"))
    return f"{row['part']} {row['name']}", setting_name(row), [before, after, _interval(row, "change", points)]


def setting_name(row: Row) -> str:
    """What a row is of, for people."""
    if row["method"] is None:
        return "Without pruning"
    method = METHODS.get(row["method"])
    label, k = (method.label, row["k"] if method.takes_k else None) if method else (row["method"], row["k"])
    return f"{label}, {budget(k, row['r'])}" + (" (control)" if row.get("control") else "")


def _drawing(rows: Sequence[Row]) -> Markup | None:
    """Cost against change in score; None where either is not known."""
    for field, cost in _FROM_COST:
        marks = [
            Mark(setting_name(row), share, change["share"], change["low"], change["high"], bool(row.get("control")))
            for row in rows
            if (share := _share(row.get(field))) is not None and (change := row.get("change"))
        ]
        if marks:
            return frontier(marks, cost)
    return None


def _share(value: Any) -> float | None:
    return value["share"] if isinstance(value, dict) else value
