"""What is chosen on the Sweep tab: checked, and in the address of the page as query parameters ``s_...``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastv.errors import InvalidInputError
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS
from fastv.sweep.controls import controls_of, grid
from fastv.validation import real, whole

DRAWN, EXAMPLE, OWN = "drawn", "example", "own"
SOURCES = {"Drawn scenes": DRAWN, "Example file": EXAMPLE, "Own file": OWN}
MOST_QUESTIONS, MOST_CELLS = 500, 60
_PREFIX = "s_"
_NAMES = ("data", "questions", "methods", "k", "r", "points", "controls", "model")
LINK_FIELDS = tuple(_PREFIX + name for name in _NAMES)


@dataclass(frozen=True)
class SweepChoice:
    """The fields of the tab, as they stand there.

    Attributes
    ----------
    data
        One of ``SOURCES``' values.
    questions
        The most that are asked.
    methods
        Names of ``METHODS``.
    k, r
        Layers, and percentages dropped, with commas between them.
    points
        That may be lost, of 100.
    controls
        Whether to add them.
    model
        A key of the model pool; None is left open.
    """

    data: str = DRAWN
    questions: int = 100
    methods: tuple[str, ...] = ("fastv",)
    k: str = "2"
    r: str = "50, 75, 90"
    points: float = 5.0
    controls: bool = True
    model: str | None = None

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> SweepChoice:
        """From what a client sent. Raises InvalidInputError with what is wrong."""
        methods = values["methods"] if isinstance(values["methods"], list) else []
        if not methods or any(name not in METHODS for name in methods):
            raise InvalidInputError("Choose at least one method.")
        if values["data"] not in SOURCES.values():
            raise InvalidInputError("Choose where the questions come from.")
        return cls(
            values["data"],
            whole(values["questions"], "The number of questions", low=1, high=MOST_QUESTIONS, error=InvalidInputError),
            tuple(methods),
            str(values["k"]),
            str(values["r"]),
            real(values["points"], "What may be lost, in points,", low=0.1, high=99, error=InvalidInputError),
            bool(values["controls"]),
            values["model"],
        )

    @property
    def configs(self) -> list[PruningConfig]:
        """The settings, without controls. Raises InvalidInputError for fields that are no lists of numbers."""
        ks = [int(one) for one in _numbers(self.k, "K", r"[0-9]{1,3}", "layers, such as 2, 3")]
        rs = [
            float(one) / 100
            for one in _numbers(self.r, "R", r"[0-9]{1,3}(\.[0-9]{1,3})?", "percentages, such as 50, 75")
        ]
        if any(r > 1 for r in rs):
            raise InvalidInputError("R is at most 100%.")
        found = grid(self.methods, ks, rs)
        if len(found) > MOST_CELLS:
            raise InvalidInputError(f"These are {len(found):,} settings: at most {MOST_CELLS} at a time here.")
        return found

    @property
    def control_configs(self) -> list[PruningConfig]:
        return controls_of(self.configs) if self.controls else []

    @property
    def query(self) -> str:
        """Without the question mark; what is as usual is left out."""
        usual = SweepChoice()
        said = {
            "data": self.data,
            "questions": self.questions,
            "methods": ",".join(self.methods),
            "k": self.k.replace(" ", ""),
            "r": self.r.replace(" ", ""),
            "points": f"{self.points:g}",
            "controls": int(self.controls),
            "model": self.model,
        }
        if self != usual:
            as_usual = {"k": usual.k, "r": usual.r.replace(" ", ""), "points": f"{usual.points:g}", "controls": 1}
            as_usual |= {"data": usual.data, "questions": usual.questions, "methods": ",".join(usual.methods)}
            said = {name: value for name, value in said.items() if value != as_usual.get(name)}
            return urlencode({_PREFIX + name: value for name, value in said.items() if value is not None}, safe=",")
        return ""


def sent_fields(query: Mapping[str, str]) -> dict[str, Any]:
    """Field -> value, of those that an address says; invalid ones count as absent."""
    sent = {name: query[_PREFIX + name] for name in _NAMES if query.get(_PREFIX + name)}
    found: dict[str, Any] = {}
    for name, text in sent.items():
        usual = vars(SweepChoice()) | {"methods": ["fastv"], "model": ""}
        value: Any = text
        if name == "methods":
            value = list(dict.fromkeys(one for one in text.split(",") if one in METHODS))
        elif name == "controls":
            value = text == "1"
        elif name in ("questions", "points"):
            if not re.fullmatch(r"[0-9]{1,3}(\.[0-9])?" if name == "points" else "[0-9]{1,3}", text):
                continue
            value = float(text) if name == "points" else int(text)
        elif name in ("k", "r"):
            value = ", ".join(text.split(","))
        try:
            choice = SweepChoice.of_values(usual | {name: value})
            if choice.configs:
                found[name] = value
        except InvalidInputError:
            continue
    return found


def _numbers(text: str, name: str, pattern: str, example: str) -> list[str]:
    parts = [part.strip().removesuffix("%").strip() for part in re.split(r"[,;\s]+", text.strip()) if part.strip("% ")]
    if not parts or not all(re.fullmatch(pattern, part, re.ASCII) for part in parts):
        raise InvalidInputError(f"{name} is a list of {example}, not “{text.strip()[:40]}”.")
    return parts
