"""What pruning costs by group of tasks: at the paper's setting, and over K and R."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from fastv.evidence.exhibit.budget import R, asked_alone, asked_most, change_since, commands, point_at
from fastv.evidence.exhibit.table import Cell, Exhibit, corrected, marks, name, rounded
from fastv.evidence.group_records import GroupRecords
from fastv.evidence.measurements import Measured
from fastv.evidence.method_records import CONTROL, GROUPS, REFERENCE_K, MethodRecord
from fastv.evidence.published import TABLE1_BENCHMARKS, table1
from fastv.families.catalogue import find
from fastv.formatting import budget, points
from fastv.stats import Change

RS = (0.5, 0.75, 0.9)


def by_group(records: Sequence[MethodRecord], groups: GroupRecords) -> Exhibit:
    """FastV at the paper's setting, by its own ranking and by the question's tokens, beside random dropping."""
    columns: list[str] = []
    cells: list[list[Cell]] = []
    for record in records:
        for method in ("fastv", "question_tokens", CONTROL):
            changes = [_change(record, groups, group, method) for group in GROUPS]
            columns.append(f"{name(record.model)}, {point_at(record, method).label}")
            cells.append([*corrected(changes), Cell(points(fmean(change.share for change in changes)))])
    worst = []
    for record in records:
        group, change = _worst(record, groups)
        worst.append(f"{name(record.model)} loses most on {group} ({points(change.share)} points)")
    described = [asked_most(record, groups, "captions", "fastv") for record in records]
    f1 = " and ".join(
        f"{points(point_at(record, 'fastv').caption_f1 - record.unpruned.caption_f1)} ({name(record.model)})"
        for record in described
    )
    return Exhibit(
        f"What does {budget(REFERENCE_K, R)} cost, and on what?",
        f"{'; '.join(worst)}. Captions are scored all or nothing in this table; by F1 of the things named and their "
        f"numbers FastV changes them by {f1} points.",
        _published_change(),
        f"Change in points against no pruning at the prefill FLOPs of FastV at {budget(REFERENCE_K, R)}, 95% CI, "
        f"{len(records[0].tasks):,} questions.{asked_alone(records, groups)} {marks('the groups of each column')}",
        tuple(columns),
        tuple(
            (group, tuple(column[at] for column in cells)) for at, group in enumerate((*GROUPS, "average of groups"))
        ),
        commands(records, groups),
    )


def by_budget(one: Measured) -> Exhibit:
    """FastV at each K and R of the grid."""
    ks = sorted({point.k for point in one.pruned if point.k and point.method == "fastv"})
    found = [(k, r, point) for k in ks for r in RS if (point := one.point(k, r)) is not None]
    columns = [("all tasks", None), *GROUPS.items()]
    changes = [[one.change(point, tasks) for _, tasks in columns] for *_, point in found]
    cells = iter(corrected([change for row in changes for change in row]))
    rows = tuple((budget(k, r), tuple(next(cells) for _ in columns)) for k, r, _ in found)
    lost = sum(cell.verdict == "worse" for _, row in rows for cell in row[1:])
    return Exhibit(
        f"Which tasks of {name(one.model)} stand which K and R?",
        f"{lost} of {len(rows) * len(GROUPS)} cells of a group of tasks lose significantly; "
        f"K={ks[0]} to {ks[-1]} is {rounded(ks[0] / one.layers)} to {rounded(ks[-1] / one.layers)} "
        f"of {one.layers} layers.",
        "The paper's Table 1 has K=2, 3 and 5 at the same R; the average over four benchmarks falls most at R=90% "
        f"(K=2: {_average_fall()}).",
        f"Change in points against no pruning, FastV, 95% CI, {len(one.tasks):,} questions. "
        + marks(f"the {len(rows) * len(columns)} cells"),
        tuple(name for name, _ in columns),
        rows,
        (one.command,),
    )


def _change(record: MethodRecord, groups: GroupRecords, group: str, method: str) -> Change:
    """What a method costs a model in a group, by the record with the most questions of it."""
    most = asked_most(record, groups, group, method)
    return change_since(most, most.unpruned, point_at(most, method), GROUPS[group])


def _worst(record: MethodRecord, groups: GroupRecords) -> tuple[str, Change]:
    changes = {group: _change(record, groups, group, "fastv") for group in GROUPS}
    return min(changes.items(), key=lambda item: item[1].share)


def _published_change() -> str:
    rows = {(row.model, row.k, row.r): row for row in table1()}
    said = []
    for model in ("llava-1.5-7b", "llava-1.5-13b"):
        before, after = rows[model, None, 0.0], rows[model, REFERENCE_K, R]
        parts = [
            f"{TABLE1_BENCHMARKS[name]} {points((getattr(after, name) - getattr(before, name)) / 100)}"
            for name in ("nocaps_cider", "flickr30k_cider", "aokvqa_acc", "mmmu_acc")
        ]
        said.append(f"{find(model).name}: {', '.join(parts)}")
    return f"{'. '.join(said)} (the paper's Table 1)."


def _average_fall() -> str:
    rows = {(row.model, row.k, row.r): row for row in table1()}
    return ", ".join(
        f"{find(model).name} {points((rows[model, REFERENCE_K, 0.9].average - rows[model, None, 0.0].average) / 100)}"
        for model in ("llava-1.5-7b", "llava-1.5-13b")
    )
