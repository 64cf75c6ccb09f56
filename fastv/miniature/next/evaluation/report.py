"""The tables of a trial's exhibit, in Markdown, from its records.

    python -m fastv.miniature.next.evaluation.report assets/next/trial-1

Changes are in points, paired by question, with 95% intervals (Bonett-Price); * marks those that are significant after
Holm's correction over their table. The folder holds questions.json and exhibit-<model>.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastv.evidence.measurements import unpacked
from fastv.miniature.next.evaluation.probe import Pruning
from fastv.stats import Change, Score, holm

_KINDS = {
    "phrasing_seen": ("phrasing seen", "phrasing not seen"),
    "layout_seen": ("layout seen", "layout not seen"),
    "fact_seen": ("fact seen", "fact not seen"),
}


@dataclass(frozen=True)
class Trial:
    """The records of a trial: what was asked, and for each model and pruning which questions were right."""

    questions: dict[str, Any]
    records: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Trial:
        """Raises OSError or ValueError where the records are missing or damaged."""
        records = {
            path.stem.removeprefix("exhibit-"): json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(folder.glob("exhibit-*.json"), key=lambda path: len(path.stem))
        }
        return cls(json.loads((folder / "questions.json").read_text(encoding="utf-8")), records)

    @property
    def groups(self) -> list[str]:
        return list(self.questions["groups"])

    def points(self, model: str) -> dict[Pruning | None, dict[str, Any]]:
        return {point["pruning"] and Pruning(**point["pruning"]): point for point in self.records[model]["points"]}

    def marks(self, model: str, pruning: Pruning | None, group: str) -> list[bool]:
        """Right or not, question by question."""
        count = len(self.questions["groups"][group]["task"])
        return list(unpacked(self.points(model)[pruning]["right"][group], count))

    def change(self, model: str, pruning: Pruning | None, group: str, since: str | None = None) -> Change:
        """From ``since`` (another model; by default the same) without pruning to ``model`` with it."""
        return Change.of(self.marks(since or model, None, group), self.marks(model, pruning, group))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    print("\n".join(tables(Trial.read(parser.parse_args().folder))))


def tables(trial: Trial) -> Iterator[str]:
    """All tables, line by line."""
    yield from _accuracy(trial)
    for model in trial.records:
        points: list[Pruning] = [pruning for pruning in trial.points(model) if pruning]
        yield from _changes(trial, model, "K=2, R=50%", [p for p in points if (p.k, p.r) == (2, 0.5)])
        yield from _changes(
            trial,
            model,
            "FastV's own ranking",
            sorted((p for p in points if _is_grid(p)), key=_place),
        )
        yield from _changes(
            trial, model, "all visual tokens withdrawn", sorted((p for p in points if p.r == 1), key=_place)
        )
        yield from _attention(trial, model)
    if len(trial.records) == 2:
        smaller, larger = trial.records
        equal = [pruning for pruning in trial.points(larger) if pruning and round(pruning.r, 2) != pruning.r]
        yield from _changes(
            trial, larger, f"at the cost of {smaller}, against {smaller} without pruning", [None, *equal], smaller
        )


def _place(pruning: Pruning | None) -> tuple[int, float]:
    return (pruning.k, pruning.r) if pruning else (-1, 0.0)


def _is_grid(pruning: Pruning) -> bool:
    return pruning.ranking == "last" and not pruning.proportional and pruning.r < 1 and round(pruning.r, 2) == pruning.r


def _accuracy(trial: Trial) -> Iterator[str]:
    yield "## Right answers without pruning"
    yield ""
    yield f"| | {' | '.join(trial.records)} | questions |"
    yield "|---|" + "---|" * (len(trial.records) + 1)
    rows: dict[str, dict[str, list[bool]]] = {}
    for model in trial.records:
        for group in trial.groups:
            asked, marks = trial.questions["groups"][group], trial.marks(model, None, group)
            kinds = {kind: unpacked(asked[kind], len(marks)) for kind in _KINDS}
            for index, (task, mark) in enumerate(zip(asked["task"], marks, strict=True)):
                names = [f"**{group}**", trial.questions["tasks"][task]]
                for kind, (yes, no) in _KINDS.items():
                    if kind != "fact_seen" or names[1] == "knowledge":
                        names.append(yes if kinds[kind][index] else no)
                for name in names:
                    rows.setdefault(name, {}).setdefault(model, []).append(mark)
    for name, found in rows.items():
        shares = [Score.of(found[model]) for model in trial.records]
        cells = [f"{100 * s.share:.1f}% ({100 * s.low:.1f} to {100 * s.high:.1f})" for s in shares]
        yield f"| {name} | {' | '.join(cells)} | {shares[0].asked} |"
    yield ""


def _changes(
    trial: Trial, model: str, title: str, prunings: Sequence[Pruning | None], since: str | None = None
) -> Iterator[str]:
    if not prunings:
        return
    yield f"## {model}, {title}"
    yield ""
    yield f"| | {' | '.join(trial.groups)} | caption F1 |"
    yield "|---|" + "---|" * (len(trial.groups) + 1)
    changes = [trial.change(model, pruning, group, since) for pruning in prunings for group in trial.groups]
    adjusted = iter(zip(changes, holm([change.p for change in changes]), strict=True))
    for pruning in prunings:
        cells = []
        for _ in trial.groups:
            change, p = next(adjusted)
            star = "*" if p < 0.05 else ""
            cells.append(f"{100 * change.share:+.1f}{star} ({100 * change.low:+.1f} to {100 * change.high:+.1f})")
        soft = trial.points(model)[pruning]["share"].get("caption F1")
        yield f"| {_name(pruning)} | {' | '.join(cells)} | {'' if soft is None else f'{soft:.3f}'} |"
    yield ""


def _attention(trial: Trial, model: str) -> Iterator[str]:
    record = trial.records[model]
    yield f"## {model}, the last prompt token's attention to the picture, layer by layer"
    yield ""
    for group, layers in record["attention"].items():
        yield f"- {group}: {' '.join(f'{layer[1]:.2f}' for layer in layers)}"
    if "order" in record:
        for ranking, shares in record["order"].items():
            yield f"- kept of the 1st, 2nd and 3rd thing of captions, K=2, R=50%, {ranking}: {shares}"
    for ranking, parts in record.get("kept", {}).items():
        told = ", ".join(f"{part} {share:.0%}" for part, share in parts.items())
        yield f"- kept of the patches of captions, K=2, R=50%, {ranking}: {told}"
    yield ""


def _name(pruning: Pruning | None) -> str:
    if pruning is None:
        return "no pruning"
    more = f", draw {pruning.seed}" if pruning.ranking == "random" else ""
    more += ", proportional" if pruning.proportional else ""
    return f"K={pruning.k}, R={100 * pruning.r:.4g}%, {pruning.ranking}{more}"


if __name__ == "__main__":
    main()
