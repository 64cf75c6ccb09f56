"""The two sides of a comparison, its progress and its results."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from fastv.costs.flops import check_pruning
from fastv.inputs.frame_view import FrameView, Grid
from fastv.measurement.timed import Timing
from fastv.pruning.config import OPTIONS, PruningConfig

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel
    from fastv.measurement.machine import Machine

SIDES = ("baseline", "fastv")


def layer_count(loaded: LoadedModel) -> int:
    """How many layers the model's decoder has."""
    return len(cast("Sized", loaded.family.decoder(loaded.model).layers))


@dataclass(frozen=True)
class Setup:
    """A side in plain values.

    Attributes
    ----------
    model, name : str
        The catalogue key, folder or hub id, and the name for people.
    dtype, device : str
        How and where the weights are held.
    k, r, method, seed, per, positions, proportional
        As in ``PruningConfig``; all None without pruning.
    """

    model: str
    name: str
    dtype: str
    device: str
    k: int | None = None
    r: float | None = None
    method: str | None = None
    seed: int | None = None
    per: str | None = None
    positions: str | None = None
    proportional: bool | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The method's options that are not at their defaults, by their names."""
        told = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in told.items() if value not in (None, OPTIONS[name])}


@dataclass(frozen=True)
class Side:
    """A model and how it is run.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    pruning : PruningConfig or None
        How it is pruned; None for no pruning.

    Raises
    ------
    InvalidBudgetError
        For a layer that the model does not have.
    """

    loaded: LoadedModel
    pruning: PruningConfig | None = None

    def __post_init__(self) -> None:
        if self.pruning is not None:
            check_pruning(self.pruning.k, self.pruning.r, layer_count(self.loaded))

    @property
    def setup(self) -> Setup:
        loaded, entry = self.loaded, self.loaded.entry
        pruning = self.pruning.to_dict() if self.pruning else {}
        return Setup(entry.key, entry.name, loaded.dtype, str(loaded.device), **pruning)


@dataclass(frozen=True)
class Progress:
    """How far a comparison is.

    Attributes
    ----------
    stage : str
        "waiting", "baseline", "fastv", "measuring" or "adding" (more rounds than were asked for).
    baseline_text, fastv_text : str
        The answers so far.
    fraction : float
        From 0 to 1.
    """

    stage: str
    baseline_text: str
    fastv_text: str
    fraction: float


@dataclass(frozen=True)
class RunResult:
    """One side's answer and its cost.

    Attributes
    ----------
    setup : Setup
    answer : str
    timing : Timing
        All timed passes; ``prefill_seconds`` and the like are their medians.
    peak_bytes : int
        Weights and the most that was live beside them, in a pass of its own.
    kv_cache_bytes : int
        Counted from the cache when the answer is complete.
    visual_tokens : int
        Those that the last layers see.
    prompt_tokens : int
        Before pruning, visual ones included.
    answer_tokens : int
    prefill_flops, total_flops : float or None
        Computed for this prompt and answer, ``exact`` convention: with vision tower, projector and lm_head. None for a
        model whose vision tower or decoder is of a kind whose FLOPs are not known.
    seen : tuple of FrameView
        The picture, or each frame of the clip, and what was kept of it; all of it without pruning.
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
    seen: tuple[FrameView, ...]

    @property
    def kept(self) -> Grid | tuple[Grid, ...]:
        """What was kept of the picture, see ``FrameView``; one grid for each part that the model saw it as, such as
        tiles and an overview, and for each frame of a clip.
        """
        return tuple(one.kept for one in self.seen) if self.is_in_parts else self.seen[0].kept

    @property
    def is_in_parts(self) -> bool:
        """Whether the model saw several pictures: frames of a clip, or parts of a picture."""
        return self.is_clip or len(self.seen) > 1

    @property
    def is_clip(self) -> bool:
        return bool(self.seen[0].seconds)

    @property
    def prompt_visual_tokens(self) -> int:
        """Those in the prompt, before pruning."""
        return sum(one.tokens for one in self.seen)

    @property
    def prefill_seconds(self) -> float:
        """To the first token, median."""
        return self.timing.prefill_seconds.median

    @property
    def decode_seconds_per_token(self) -> float | None:
        """Per token after the first, median; None when the answer is a single token."""
        steps = self.timing.decode_seconds_per_token
        return steps.median if steps else None

    @property
    def total_seconds(self) -> float:
        """To the last token, median."""
        return self.timing.total_seconds.median

    def to_dict(self) -> dict[str, Any]:
        """All but the pictures, in JSON's types, with the setup's fields at the top.

        ``kept`` is as the property. Where it has several grids there are also ``frames``: for each the ``seconds``,
        none in a picture, ``tokens`` and ``kept_tokens``, tokens without a place in the grid included.
        """
        plain = {name: value for name, value in vars(self).items() if name not in ("setup", "seen")}
        grids = [[list(row) for row in one.kept] for one in self.seen]
        frames = {"frames": [one.counts for one in self.seen]} if self.is_in_parts else {}
        return {
            **asdict(self.setup),
            **plain,
            "timing": asdict(self.timing),
            "kept": grids if self.is_in_parts else grids[0],
            **frames,
            "prefill_seconds": self.prefill_seconds,
            "total_seconds": self.total_seconds,
            "decode_seconds_per_token": self.decode_seconds_per_token,
        }


@dataclass(frozen=True)
class Comparison:
    """Both sides, and how they were measured.

    Attributes
    ----------
    baseline, fastv : RunResult
        The side compared with, and the candidate.
    question : str
    max_new_tokens, repeats, warmup : int
        As in ``RunSettings``; ``repeats`` counts the rounds that were timed.
    machine : Machine
        Where the candidate ran.
    date : str
        When it was done, ISO 8601 in UTC.
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
        """All but the pictures, in JSON's types; the candidate's setup and what it kept also stand at the top."""
        candidate = self.fastv.to_dict()
        top = {name: candidate[name] for name in ("model", "dtype", "device", "k", "r", "method", "seed", "kept")}
        return {
            **vars(self),
            **top,
            "baseline": self.baseline.to_dict(),
            "fastv": candidate,
            "machine": asdict(self.machine),
        }
