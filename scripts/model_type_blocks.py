"""The blocks about model types: which are pruned exactly, from what ``benchmarks/model_types.py`` recorded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastv.families.catalogue import find
from fastv.families.registry import FAMILIES, family_for

_TABLE = Path(__file__).resolve().parents[1] / "assets" / "measured" / "model_types" / "exactness.json"


@lru_cache
def _record() -> dict[str, Any]:
    return json.loads(_TABLE.read_text(encoding="utf-8"))


def model_types() -> str:
    """A row for each type."""
    rows = []
    for one in _record()["types"]:
        family = family_for(one["model_type"])
        found = one.get("limit") or one.get("reason") or f"largest difference {one['difference']:.0e}"
        rows.append((f"`{one['model_type']}`", family.name if family else "", one["status"], found.rstrip(".")))
    lines = [("type", "family", "", "found"), ("---",) * 4, *sorted(rows, key=lambda row: (row[2], row[0]))]
    return "\n".join(f"| {' | '.join(cell.replace('|', '') for cell in line)} |" for line in lines)


def summary() -> str:
    """How many are what."""
    record = _record()
    counts = Counter(one["status"] for one in record["types"])
    return (
        f"Of the {len(record['types'])} types of transformers {record['transformers']}, {counts['exact']} are pruned "
        f"exactly, {counts['refused']} are refused with a reason, {counts['differs']} differ, and {counts['not run']} "
        "could not be built or run at a small size."
    )


def families() -> str:
    """The named families and their types."""
    lines = [("family", "types", "videos"), ("---",) * 3]
    for family in FAMILIES:
        types = ", ".join(f"`{name}`" for name in family.model_types)
        lines.append((family.name, types, "yes" if family.videos else "no"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def catalogue() -> str:
    """The models of the catalogue that are fetched, by family, from the smallest to the largest download."""
    lines = [("family", "`--model`", "download"), ("---",) * 3]
    for family in FAMILIES:
        sizes = {entry.key: entry.download_bytes or 0 for entry in map(find, (one.key for one in family.entries))}
        keys = sorted((key for key in sizes if sizes[key]), key=lambda key: sizes[key])
        if not keys:
            continue
        ends = dict.fromkeys(f"{sizes[key] / 1e9:.1f}" for key in (keys[0], keys[-1]))
        lines.append((family.name, ", ".join(f"`{key}`" for key in keys), f"{' to '.join(ends)} GB"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "catalogue": catalogue,
    "families": families,
    "model-types": model_types,
    "model-types-summary": summary,
}
