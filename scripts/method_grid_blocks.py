"""The generated block of docs/methods.md on every method at one cost, from assets/measured/methods."""

from __future__ import annotations

from fastv.evidence.method_records import GROUPS, RS, MethodRecord, MethodRow, method_records
from fastv.families.catalogue import CATALOGUE, find
from fastv.formatting import percent, points, sized

_MARKS = {"better": " ▲", "worse": " ▼", "": ""}


def measured_methods() -> str:
    """For each model: methods against budgets over all tasks, then against groups of tasks at the first budget."""
    records = method_records()
    models = [entry.key for entry in CATALOGUE if entry.key in records]
    return "\n\n".join(part for model in models for part in _of_model(records[model]))


def _of_model(record: MethodRecord) -> list[str]:
    tables = {
        percent(r): {row.point.kind: row for row in record.table("flops", r)} for r in RS if record.at("flops", r)
    }
    groups = {
        name: {row.point.kind: row for row in record.table("flops", RS[0], tasks)} for name, tasks in GROUPS.items()
    }
    unpruned = record.unpruned_score()
    name = find(record.model).name
    return [
        f"**{name}**, {unpruned.asked:,} questions, {percent(unpruned.share)} right without pruning. {_timed(record)}"
        "Change in points over all tasks at the prefill FLOPs of FastV at K=2 and this R:",
        _table([f"R={column}" for column in tables], list(tables.values()), timed=record.timed_on is not None),
        f"{name} at R={percent(RS[0])} by group of tasks:",
        _table(list(groups), [{kind: rows[kind] for kind in tables[percent(RS[0])]} for rows in groups.values()]),
        f"`{record.command}`",
    ]


def _timed(record: MethodRecord) -> str:
    if record.timed_on is None:
        return ""
    baseline = f", {sized(record.unpruned.seconds, 'seconds')} without pruning" if record.unpruned.seconds else ""
    device, dtype = record.timed_on["device"], record.timed_on["dtype"]
    return (
        f"Sorted by the time to the first token at R={percent(RS[0])}, of which the second number is the method's own "
        f"(medians in {dtype} on {device}{baseline}). "
    )


def _table(columns: list[str], found: list[dict], timed: bool = False) -> str:
    labels = {kind: row.point.label for rows in found for kind, row in rows.items()}
    lines = [["method", *(["first token"] if timed else []), *columns]]
    lines.append(["---"] * len(lines[0]))
    for kind, label in labels.items():
        times = [_times(found[0].get(kind))] if timed else []
        lines.append([label, *times, *(_cell(rows.get(kind)) for rows in found)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _times(row: MethodRow | None) -> str:
    if row is None or row.point.seconds is None or row.point.own_seconds is None:
        return ""
    return f"{sized(row.point.seconds, 'seconds')}, {sized(row.point.own_seconds, 'seconds')}"


def _cell(row: MethodRow | None) -> str:
    if row is None:
        return ""
    return f"{points(row.change.share)} ({points(row.change.low)} to {points(row.change.high)}){_MARKS[row.verdict]}"
