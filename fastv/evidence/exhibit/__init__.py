"""What FastV costs, and on what: claims about the miniatures, each with its control and interval, from the records.

Changes are paired by question, and p-values are Holm-corrected within a table. Beside each stands what was published of
LLaVA-1.5. All of it holds for other questions of the same kind, not for other trainings: each model was trained once.
No torch.
"""

from __future__ import annotations

from collections.abc import Collection

from fastv.evidence.exhibit.layers import attention, withdrawal
from fastv.evidence.exhibit.pair import at_equal_cost
from fastv.evidence.exhibit.selection import in_reading_order
from fastv.evidence.exhibit.table import Cell, Exhibit
from fastv.evidence.exhibit.tasks import by_budget, by_group
from fastv.evidence.exhibit.times import first_token
from fastv.evidence.findings import PAIR
from fastv.evidence.group_records import group_records
from fastv.evidence.layer_profiles import layer_profiles
from fastv.evidence.measurements import all_measured
from fastv.evidence.method_records import method_records
from fastv.evidence.reading_order import all_kept_in_order

__all__ = ["Cell", "Exhibit", "exhibits"]


def exhibits() -> tuple[Exhibit, ...]:
    """All that the records allow, in order; those are left out of which a model of the pair was not measured.

    Raises ValueError where a record cannot be used.
    """
    profiles, grids, methods, in_order = layer_profiles(), all_measured(), method_records(), all_kept_in_order()
    made: list[Exhibit] = []
    if _has_pair(profiles):
        made += [attention([profiles[model] for model in PAIR]), withdrawal([profiles[model] for model in PAIR])]
    if _has_pair(methods):
        made.append(by_group([methods[model] for model in PAIR], group_records()))
    if _has_pair(grids):
        made += [by_budget(grids[model]) for model in PAIR]
    if _has_pair(methods) and methods[PAIR[0]].tasks == methods[PAIR[1]].tasks:
        made.append(at_equal_cost(methods[PAIR[0]], methods[PAIR[1]], group_records()))
    if _has_pair(in_order):
        made.append(in_reading_order({model: in_order[model] for model in PAIR}))
    if _has_pair(grids):
        made.append(first_token([grids[model] for model in PAIR]))
    return tuple(made)


def _has_pair(found: Collection[str]) -> bool:
    return all(model in found for model in PAIR)
