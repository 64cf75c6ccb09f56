"""Every pruning method on a miniature at the same cost, read from assets/measured/methods; no torch.

A record holds which of some thousands of questions were answered right at each point; see
``miniature.evaluation.method_grid``, which writes it. Changes are paired by question. Where methods are compared with
random dropping, p is McNemar's, corrected (Holm, 1979) for the number of methods in the table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

from fastv.evidence.measurements import FOLDER, read_document, unpacked
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Change, Score, holm

#: Tasks as the literature groups them.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "VQA": ("exists", "relation", "category", "colour", "compare", "choice"),
    "captions": ("describe",),
    "OCR": ("sign",),
    "counting": ("count", "count category"),
    "localization": ("where", "what at"),
}
EQUAL = ("flops", "tokens")
RS = (0.5, 0.75, 0.9)
REFERENCE_K = 2
CONTROL, SMALLER_PICTURE = "random", "lower_resolution"


@dataclass(frozen=True)
class MethodPoint:
    """One method at one amount, or the model without pruning.

    Attributes
    ----------
    method, k, r
        As in ``PruningConfig``; None, None and 0 without pruning.
    proportional : bool
        Whether kept tokens stand for the dropped ones.
    equal : str
        "flops" or "tokens": what it has in common with FastV at K=2 and ``reference_r``; empty without pruning.
    reference_r : float
    kept : int
        Visual tokens after the last cut.
    average_tokens : float
        Visual tokens of a layer, mean over the layers.
    prefill_flops : int
        Of a prompt of mean length, ``exact`` convention, the method's own included.
    marks : tuple of bool
        Question by question, whether the answer was right.
    captions : tuple of float
        F1 of (kind, number) of each description, fractions.
    seconds, own_seconds : float or None
        To the first token, and the method's own part; medians. None where it was not timed.
    """

    method: str | None
    k: int | None
    r: float
    proportional: bool
    equal: str
    reference_r: float
    kept: int
    average_tokens: float
    prefill_flops: int
    marks: tuple[bool, ...]
    captions: tuple[float, ...]
    seconds: float | None = None
    own_seconds: float | None = None

    @property
    def caption_f1(self) -> float:
        """Mean over the descriptions."""
        return fmean(self.captions)

    @property
    def label(self) -> str:
        """The method's name, with what tells two points of it apart."""
        if self.method is None:
            return "No pruning"
        method = METHODS[self.method]
        where = ""
        if method.takes_k and self.k != method.default_k:
            where = f", K={self.k}" if self.k else " before layer 0"
        return f"{method.label}{where}{', proportional' if self.proportional else ''}"

    @property
    def kind(self) -> tuple[str | None, int | None, bool]:
        """What stays the same from one amount to another."""
        return self.method, self.k, self.proportional


@dataclass(frozen=True)
class MethodRow:
    """A point in a table.

    Attributes
    ----------
    score : Score
    change : Change
        From the model without pruning.
    since_control : Change or None
        From random dropping at the same cost; None for random itself.
    p : float or None
        Of that change, Holm-corrected over the table.
    """

    point: MethodPoint
    score: Score
    change: Change
    since_control: Change | None
    p: float | None

    @property
    def verdict(self) -> str:
        """Against random dropping at the same cost: "better", "worse", or "" where it cannot be told."""
        if self.p is None or self.p >= 0.05 or self.since_control is None:
            return ""
        return "better" if self.since_control.share > 0 else "worse"


@dataclass(frozen=True)
class MethodRecord:
    """All points of one model.

    Attributes
    ----------
    model, command, weights, dtype, machine, timed_on
        As recorded; ``timed_on`` is the machine of the times, with their "dtype"; None without.
    tasks : tuple of str
        Of each question.
    visual_tokens : int
        Of a prompt.
    unpruned : MethodPoint
    points : tuple of MethodPoint
    """

    model: str
    command: str
    weights: str
    dtype: str
    machine: Mapping[str, Any]
    timed_on: Mapping[str, Any] | None
    tasks: tuple[str, ...]
    visual_tokens: int
    unpruned: MethodPoint
    points: tuple[MethodPoint, ...]

    def at(self, equal: str, reference_r: float) -> list[MethodPoint]:
        """The points of one budget. Of equal tokens, those whose number does not differ from that of equal FLOPs too.

        Parameters: equal, one of EQUAL; reference_r, one of RS.
        """
        found = {one.kind: one for one in self.points if one.reference_r == reference_r and one.equal == "flops"}
        if equal == "tokens":
            most = self.tokens_of(reference_r)
            found = {kind: one for kind, one in found.items() if abs(one.kept - most) <= 2}
            found |= {one.kind: one for one in self.points if one.reference_r == reference_r and one.equal == equal}
        return list(found.values())

    def near(self, method: str | None, k: int, r: float, most: float) -> MethodPoint | None:
        """The point of a method without options whose R is nearest, at most so far away; None where there is none."""
        found = (one for one in self.points if one.kind == (method, k, False) and abs(one.r - r) <= most)
        return min(found, key=lambda one: abs(one.r - r), default=None)

    def tokens_of(self, reference_r: float) -> int:
        """Visual tokens that FastV keeps."""
        return METHODS["fastv"](k=REFERENCE_K, r=reference_r).kept_of(self.visual_tokens)

    def unpruned_score(self, tasks: Collection[str] | None = None) -> Score:
        """Of the model without pruning."""
        return Score.of(self._of(tasks, self.unpruned.marks))

    def table(self, equal: str, reference_r: float, tasks: Collection[str] | None = None) -> list[MethodRow]:
        """The methods of one budget, quickest first, or best first where they were not all timed.

        Parameters
        ----------
        equal, reference_r
            As ``at`` takes them.
        tasks : collection of str, optional
            Those whose questions count; by default all.
        """
        points = self.at(equal, reference_r)
        marks = {id(one): self._of(tasks, one.marks) for one in (self.unpruned, *points)}
        control = next((one for one in points if one.method == CONTROL and one.k == REFERENCE_K), None)
        others = [one for one in points if one is not control]
        since = {id(one): Change.of(marks[id(control)], marks[id(one)]) for one in others} if control else {}
        p = dict(zip(since, holm([change.p for change in since.values()])))
        rows = [
            MethodRow(
                one,
                Score.of(marks[id(one)]),
                Change.of(marks[id(self.unpruned)], marks[id(one)]),
                since.get(id(one)),
                p.get(id(one)),
            )
            for one in points
        ]
        if all(row.point.seconds is not None for row in rows):
            return sorted(rows, key=lambda row: row.point.seconds or 0.0)
        return sorted(rows, key=lambda row: -row.change.share)

    def _of(self, tasks: Collection[str] | None, marks: Sequence[bool]) -> list[bool]:
        return [mark for mark, task in zip(marks, self.tasks, strict=True) if tasks is None or task in tasks]


def method_record(model: str) -> MethodRecord | None:
    """What was measured of a model of the catalogue; None if nothing was."""
    return method_records().get(model)


def method_records() -> dict[str, MethodRecord]:
    """Every model whose methods were measured, by key. Raises ValueError, naming a file that cannot be used."""
    return _all_of(FOLDER / "methods")


@lru_cache(maxsize=2)
def _all_of(folder: Path) -> dict[str, MethodRecord]:
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        times = path.with_name(f"{path.stem}-times.json")
        try:
            timed = json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}
            record = parsed(read_document(path), timed)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name}: {error!r}") from error
        if record is not None:
            found[record.model] = record
    return found


def parsed(data: Mapping[str, Any], times: Mapping[str, Any]) -> MethodRecord | None:
    """From what the grid writes; None where it has hardly begun.

    Raises ValueError, KeyError or TypeError for anything else.
    """
    names = data["task_names"]
    tasks = tuple(names[int(letter, 36)] for letter in data["tasks"])
    seconds = {_key(one): (one["seconds"], one["own_seconds"]) for one in times.get("points", ())}
    points = [
        _point(one, data["visual_tokens"], len(tasks), seconds.get(_key(one), (None, None)))
        for one in data["points"]
        if "refused" not in one
    ]
    unpruned = next((one for one in points if one.method is None), None)
    pruned = tuple(one for one in points if one.method is not None)
    if unpruned is None or not pruned:
        return None
    return MethodRecord(
        model=data["model"],
        command=data["command"],
        weights=data["weights"],
        dtype=data["dtype"],
        machine=data["machine"],
        timed_on=times["machine"] | {"dtype": times["dtype"]} if times else None,
        tasks=tasks,
        visual_tokens=data["visual_tokens"],
        unpruned=unpruned,
        points=pruned,
    )


def _key(point: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("method", "k", "r", "seed", "proportional", "equal", "reference_r")
    return tuple(point.get(name) for name in names)


def _point(
    data: Mapping[str, Any], visual: int, questions: int, seconds: tuple[float | None, float | None]
) -> MethodPoint:
    cuts = data["kept_after_each_cut"]
    return MethodPoint(
        method=data["method"],
        k=data["k"],
        r=data["r"],
        proportional=data.get("proportional", False),
        equal=data.get("equal", ""),
        reference_r=data.get("reference_r", 0.0),
        kept=cuts[-1][1] if cuts else visual,
        average_tokens=data["average_tokens"],
        prefill_flops=data["prefill_flops"],
        marks=unpacked(data["right"], questions),
        captions=tuple(percent / 100 for percent in data["caption_f1_percent"]),
        seconds=seconds[0],
        own_seconds=seconds[1],
    )
