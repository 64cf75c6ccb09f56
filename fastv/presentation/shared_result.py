"""A comparison's result small enough for a link: both answers, what was kept, and what it cost.

The link carries the result itself, so that it can be shown where it was never run, and no server has to keep it. What a
link says is its sender's word: it is checked for form and length, shown as text, and never taken for a measurement.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastv.formatting import change
from fastv.inputs.answer_matching import is_match
from fastv.inputs.frame_view import Grid
from fastv.measurement.results import Comparison, RunResult
from fastv.presentation.side_labels import SideLabel, side_labels

FIELD = "result"  # of a link
LONGEST = 3_000  # characters of a link's field
_LONGEST_ANSWER, _LONGEST_QUESTION, _LONGEST_NAME = 400, 300, 80  # characters
_MOST_BYTES = 16_000  # of its JSON
_MOST_SIDE = 64  # of the grid
_MOST_SCENES = 10**6


@dataclass(frozen=True)
class SharedSide:
    """One side. ``name`` and ``detail`` are those of its ``SideLabel``; FLOPs are of prefill, ``exact`` convention."""

    name: str
    detail: str
    answer: str
    flops: float | None
    kv_cache_bytes: float
    visual_tokens: int


@dataclass(frozen=True)
class SharedResult:
    """What a link carries.

    Attributes
    ----------
    model, question, date
        The candidate's model, what was asked, and the day, ISO 8601.
    baseline, candidate : SharedSide
    kept : tuple of tuple of bool or None
        What the candidate kept of a picture; None for a clip, for a picture that the model saw in several parts, and
        without pruning.
    scene : int or None
        The seed of the example picture; a visitor's own one is not in a link.
    """

    model: str
    question: str
    date: str
    baseline: SharedSide
    candidate: SharedSide
    kept: Grid | None = None
    scene: int | None = None

    @classmethod
    def of(cls, comparison: Comparison, scene: int | None) -> SharedResult:
        baseline, candidate = comparison.baseline, comparison.fastv
        labels = side_labels(baseline.setup, candidate.setup)
        kept = None
        if candidate.setup.k is not None and not candidate.is_in_parts:
            grid = candidate.seen[0].kept
            kept = grid if 1 < len(grid) <= _MOST_SIDE and len(grid[0]) <= _MOST_SIDE else None
        day = comparison.date[:10]
        question = _cut(comparison.question, _LONGEST_QUESTION)
        first, second = (_side(side, label) for side, label in zip((baseline, candidate), labels, strict=True))
        return cls(_cut(candidate.setup.name, _LONGEST_NAME), question, day, first, second, kept, scene)

    @property
    def agrees(self) -> bool:
        return is_match(self.baseline.answer, self.candidate.answer)

    @property
    def savings(self) -> tuple[str, ...]:
        """What differs for certain: ``36% less KV cache``, ``26% less prefill work``."""
        pairs = (
            ("KV cache", self.baseline.kv_cache_bytes, self.candidate.kv_cache_bytes),
            ("prefill work", self.baseline.flops, self.candidate.flops),
        )
        return tuple(
            f"{words} {noun}" for noun, before, after in pairs if before and after and (words := change(before, after))
        )

    @property
    def headline(self) -> str:
        """``Same answer with 36% less KV cache and 26% less prefill work``"""
        answers = "Same answer" if self.agrees else "Different answers"
        return f"{answers} with {' and '.join(self.savings)}" if self.savings else answers

    @property
    def text(self) -> str:
        """The value of the link's field."""
        data = {**asdict(self), "kept": None if self.kept is None else _packed(self.kept)}
        packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
        return urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def parsed(cls, text: str | None) -> SharedResult | None:
        """From a link's field; None for anything that cannot be one."""
        if not text or len(text) > LONGEST:
            return None
        try:
            reader = zlib.decompressobj()
            data = reader.decompress(urlsafe_b64decode(text + "=" * (-len(text) % 4)), _MOST_BYTES)
            return _checked(json.loads(data)) if reader.eof else None
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error):
            return None


def _side(side: RunResult, label: SideLabel) -> SharedSide:
    return SharedSide(
        _cut(label.label, _LONGEST_NAME),
        _cut(label.detail, _LONGEST_NAME),
        _cut(side.answer, _LONGEST_ANSWER),
        None if side.prefill_flops is None else float(f"{side.prefill_flops:.5g}"),
        side.kv_cache_bytes,
        side.visual_tokens,
    )


def _cut(text: str, most: int) -> str:
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def _packed(grid: Grid) -> list[Any]:
    """[rows, columns, bits in hexadecimal]"""
    bits = "".join("1" if kept else "0" for row in grid for kept in row)
    return [len(grid), len(grid[0]), f"{int(bits, 2):x}"]


def _unpacked(packed: list[Any]) -> Grid:
    rows, columns, digits = packed
    if not (type(rows) is type(columns) is int and 1 < rows <= _MOST_SIDE and 0 < columns <= _MOST_SIDE):
        raise ValueError("not a grid")
    bits = f"{int(digits, 16):0{rows * columns}b}"
    if len(bits) != rows * columns or not set(bits) <= {"0", "1"}:
        raise ValueError("not the bits of the grid")
    marks = [bit == "1" for bit in bits]
    return tuple(tuple(marks[start : start + columns]) for start in range(0, len(marks), columns))


def _checked(data: Mapping[str, Any]) -> SharedResult:
    """Raises ValueError, KeyError or TypeError for what is not a result."""
    baseline, candidate = (_checked_side(data[name]) for name in ("baseline", "candidate"))
    scene, kept = data["scene"], data["kept"]
    if scene is not None and not (type(scene) is int and 0 <= scene < _MOST_SCENES):
        raise ValueError("not a scene")
    made = SharedResult(
        _text(data["model"], _LONGEST_NAME),
        _text(data["question"], _LONGEST_QUESTION),
        _text(data["date"], 10),
        baseline,
        candidate,
    )
    return replace(made, scene=scene, kept=None if kept is None else _unpacked(kept))


def _checked_side(data: Mapping[str, Any]) -> SharedSide:
    flops, cache, tokens = (_amount(data[name]) for name in ("flops", "kv_cache_bytes", "visual_tokens"))
    if cache is None or tokens is None:
        raise ValueError("a cost is missing")
    return SharedSide(
        _text(data["name"], _LONGEST_NAME),
        _text(data["detail"], _LONGEST_NAME),
        _text(data["answer"], _LONGEST_ANSWER),
        flops,
        cache,
        int(tokens),
    )


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return _cut(value, most)


def _amount(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e24:
        raise ValueError("not an amount")
    return value
