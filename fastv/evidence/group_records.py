"""Methods on thousands of questions of one group of tasks, of which the grid of methods asks few; no torch.

Written by ``miniature.evaluation.group_grid`` into assets/measured/groups, in the form of the grid's own records.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from fastv.evidence.measurements import FOLDER, read_document
from fastv.evidence.method_records import GROUPS, MethodRecord, parsed

#: By model and group.
GroupRecords = Mapping[tuple[str, str], MethodRecord]


def group_records() -> GroupRecords:
    """All that were measured. Raises ValueError, naming a file that cannot be used."""
    return _all_of(FOLDER / "groups")


@lru_cache(maxsize=2)
def _all_of(folder: Path) -> GroupRecords:
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        try:
            record = parsed(read_document(path), {})
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name}: {error!r}") from error
        if record is not None:
            found[record.model, _group_of(record)] = record
    return found


def _group_of(record: MethodRecord) -> str:
    for group, tasks in GROUPS.items():
        if set(record.tasks) <= set(tasks):
            return group
    raise ValueError(f"{record.model}: the questions are of several groups")
