"""The larger miniature at the smaller one's cost, by every method."""

from __future__ import annotations

from collections.abc import Sequence

from fastv.evidence.exhibit.budget import R, asked_alone, change_since, commands, point_at
from fastv.evidence.exhibit.table import Cell, Exhibit, corrected, marks, name, rounded
from fastv.evidence.group_records import GroupRecords
from fastv.evidence.method_records import GROUPS, REFERENCE_K, MethodPoint, MethodRecord
from fastv.evidence.published import table1
from fastv.formatting import budget
from fastv.stats import Change


def at_equal_cost(small: MethodRecord, big: MethodRecord, groups: GroupRecords) -> Exhibit:
    """Both were asked the same questions, and pruned to K=2, R=50% the larger one costs what the smaller one does."""
    columns = ["all tasks", *GROUPS]
    pruned = sorted(big.at("flops", R), key=lambda point: -sum(point.marks))
    table = []
    for column in columns:
        whole, *changes = [_gap(small, big, point, column, groups) for point in (big.unpruned, *pruned)]
        table.append(corrected([whole]) + corrected(changes))
    rows = tuple(
        (point.label, tuple(column[at] for column in table)) for at, point in enumerate((big.unpruned, *pruned))
    )
    whole_cell, *cells = table[0]
    ahead = [_ahead(column, pruned, found[1:]) for column, found in zip(columns, table, strict=True)]
    level = sum(not cell.verdict for cell in cells)
    own = cells[pruned.index(point_at(big, "fastv"))]
    cost, whole_cost = (
        one.prefill_flops / small.unpruned.prefill_flops for one in (point_at(big, "fastv"), big.unpruned)
    )
    return Exhibit(
        f"At {name(small.model)}'s cost, does {name(big.model)} answer better?",
        f"Significantly on {'; on '.join(filter(None, ahead)) or 'nothing'}. Over all tasks {level} of {len(pruned)} "
        f"methods show no significant difference from {name(small.model)}, best {pruned[0].label} with {cells[0].text} "
        f"points; FastV's own ranking: {own.text}. Without pruning the gap is {whole_cell.text}, for "
        f"{rounded(whole_cost)} of the prefill FLOPs.",
        _published_pair(),
        f"{name(big.model)} minus {name(small.model)} without pruning, points, 95% CI, the same {len(big.tasks):,} "
        f"questions.{asked_alone((small, big), groups)} {name(big.model)} pruned costs {rounded(cost)} of "
        f"{name(small.model)}'s prefill FLOPs. " + marks(f"the {len(pruned)} methods of each column"),
        tuple(columns),
        rows,
        commands((small, big), groups),
    )


def _ahead(column: str, points: Sequence[MethodPoint], cells: Sequence[Cell]) -> str:
    """Where methods are significantly ahead in a column, which and by how much; else empty."""
    found = [(point, cell) for point, cell in zip(points, cells, strict=True) if cell.verdict == "better"]
    told = [f"{cell.text.split(' ')[0]} ({point.label})" for point, cell in found]
    return f"{column} by {', '.join(told)}" if told else ""


def _gap(small: MethodRecord, big: MethodRecord, point: MethodPoint, column: str, groups: GroupRecords) -> Change:
    """Of the larger model at a point from the smaller one without pruning, by the most questions both were asked."""
    few = change_since(big, small.unpruned, point, GROUPS.get(column))
    alone = [groups.get((model, column)) for model in (small.model, big.model)]
    if alone[0] is None or alone[1] is None or alone[0].tasks != alone[1].tasks:
        return few
    same = next((one for one in (alone[1].unpruned, *alone[1].at("flops", R)) if one.kind == point.kind), None)
    return change_since(alone[1], alone[0].unpruned, same) if same else few


def _published_pair() -> str:
    rows = {(row.model, row.k, row.r): row for row in table1()}
    big, small = rows["llava-1.5-13b", REFERENCE_K, R], rows["llava-1.5-7b", None, 0.0]
    return (
        f"LLaVA-1.5 13B at {budget(REFERENCE_K, R)} scores {big.average} on average over four benchmarks, the 7B "
        f"{small.average}, for "
        f"{rounded(big.flops_per_layer_b * 40 / (small.flops_per_layer_b * 32))} of the 7B's FLOPs "
        "(40 and 32 layers; the paper's Table 1)."
    )
