"""What a comparison is between, and what comes of it: the two sides, how far it is, and both results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastv.costs.flops import check_pruning
from fastv.inputs.frame_view import Grid, Seen
from fastv.loading.load import LoadedModel
from fastv.measurement.machine import Machine
from fastv.measurement.timing import Timing
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.base import Method

SIDES = ("baseline", "fastv")


@dataclass(frozen=True)
class Setup:
    """What a side is, in plain values.

    model: the catalogue key, folder or hub id; name: the same for people. dtype, device: how and where its weights are
    held. k, r, method, seed: as in ``PruningConfig``; all None without it.
    """

    model: str
    name: str
    dtype: str
    device: str
    k: int | None = None
    r: float | None = None
    method: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Side:
    """A model and how it is run: pruned by method at k, r, seed, or, where ``k`` is None, without it.

    Raises InvalidBudgetError for values out of range, and for a layer the model does not have.
    """

    loaded: LoadedModel
    k: int | None = None
    r: float = 0.0
    method: str = "fastv"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.budget is not None:
            check_pruning(self.k, self.r, len(self.loaded.family.decoder(self.loaded.model).layers))

    @property
    def budget(self) -> Method | None:
        return None if self.k is None else PruningConfig(self.method, self.k, self.r, self.seed).build()

    @property
    def setup(self) -> Setup:
        loaded, entry = self.loaded, self.loaded.entry
        pruning = () if (budget := self.budget) is None else (budget.k, budget.r, budget.name, budget.seed)
        return Setup(entry.key, entry.name, loaded.dtype, str(loaded.device), *pruning)


@dataclass(frozen=True)
class Progress:
    """How far a comparison is: ``stage`` is "waiting", "baseline", "fastv" or "measuring"; ``fraction`` goes from 0
    to 1.
    """

    stage: str
    baseline_text: str
    fastv_text: str
    fraction: float


@dataclass(frozen=True)
class RunResult:
    """One side's answer and its cost.

    Times are medians over the repeats, their spread is in ``timing``. peak_bytes: this side's weights and the most that
    was live beside them. kv_cache_bytes: counted from the cache when the answer is complete. visual_tokens: those that
    the last layers see. prompt_tokens: with the visual ones, before pruning. FLOPs: computed for this prompt and
    answer, ``exact`` convention, prefill with vision tower, projector and lm_head; None where not known. seen: the picture, or each frame of
    the clip, and what FastV kept of it, which is all without it.
    """

    setup: Setup
    answer: str
    timing: Timing
    peak_bytes: int
    kv_cache_bytes: int
    visual_tokens: int
    prompt_tokens: int
    answer_tokens: int
    prefill_flops: float | None
    total_flops: float | None
    seen: tuple[Seen, ...]

    @property
    def kept(self) -> Grid | tuple[Grid, ...]:
        """What was kept of the picture, see ``Seen``; of a clip one grid for each of its frames."""
        return tuple(one.kept for one in self.seen) if self.is_clip else self.seen[0].kept

    @property
    def is_clip(self) -> bool:
        return bool(self.seen[0].seconds)

    @property
    def prompt_visual_tokens(self) -> int:
        """Those in the prompt, before pruning."""
        return sum(one.tokens for one in self.seen)

    @property
    def prefill_seconds(self) -> float:
        """To the first token."""
        return self.timing.prefill_seconds.median

    @property
    def decode_seconds_per_token(self) -> float | None:
        """Per token after the first; None when the answer is a single token."""
        steps = self.timing.decode_seconds_per_token
        return steps and steps.median

    @property
    def total_seconds(self) -> float:
        """To the last token."""
        return self.timing.total_seconds.median

    def to_dict(self) -> dict[str, Any]:
        """All of it but the pictures, in JSON's types; the setup's fields among the others.

        kept is as the property; a clip also has ``frames``: their ``seconds``, ``tokens`` and ``kept_tokens``, which
        count tokens that have no place in the grid too.
        """
        plain = {name: value for name, value in vars(self).items() if name not in ("setup", "seen")}
        grids = [[list(row) for row in one.kept] for one in self.seen]
        frames = {"frames": [one.counts for one in self.seen]} if self.is_clip else {}
        return {
            **asdict(self.setup),
            **plain,
            "timing": asdict(self.timing),
            "kept": grids if self.is_clip else grids[0],
            **frames,
            "prefill_seconds": self.prefill_seconds,
            "total_seconds": self.total_seconds,
            "decode_seconds_per_token": self.decode_seconds_per_token,
        }


@dataclass(frozen=True)
class Comparison:
    """Both sides, and how they were measured. machine: where ``fastv``, the candidate, ran; date: when it was done, ISO 8601
    in UTC.
    """

    baseline: RunResult
    fastv: RunResult
    question: str
    max_new_tokens: int
    repeats: int
    warmup: int
    machine: Machine
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_dict(self) -> dict[str, Any]:
        """All of it but the pictures, in JSON's types; what the candidate is, and kept, also stands at the top."""
        candidate = self.fastv.to_dict()
        top = {name: candidate[name] for name in ("model", "dtype", "device", "k", "r", "method", "seed", "kept")}
        return {
            **vars(self),
            **top,
            "baseline": self.baseline.to_dict(),
            "fastv": candidate,
            "machine": asdict(self.machine),
        }
