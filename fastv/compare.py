"""One picture and one question, answered with and without FastV: both texts as they grow, then what each answer cost.

The protocol: a first pass of each side streams its text and has its memory followed, untimed; then the sides take
turns (A B A B) for the remaining warm-up rounds and for the timed ones, in which nothing else happens. FastV's own
ranking is part of its passes. Both sides get the very same tensors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from PIL import Image

from fastv.background import OutOfTime, Stopped, never, reports_of
from fastv.cost import check_budget, cost
from fastv.errors import FastVError, InvalidInputError
from fastv.inputs import check_question, open_picture
from fastv.measure import Machine, Pass, Timing, generate, interleaved, now, peak_memory
from fastv.models.loading import LoadedModel, free_memory, is_out_of_memory
from fastv.neighbours import watched
from fastv.prompting import answer_text, prompt_of
from fastv.pruning import FastV

MAX_ANSWER_TOKENS, MAX_ROUNDS = 1_024, 50


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

    Times are medians over the repeats, their spread is in ``timing``. peak_bytes: weights and the most that was live
    beside them. kv_cache_bytes: counted from the cache when the answer is complete. visual_tokens: those that layers
    >= K see. prompt_tokens: with the visual ones, before pruning. FLOPs: computed for this prompt and answer,
    ``exact`` convention, prefill with vision tower, projector and lm_head.
    """

    answer: str
    timing: Timing
    peak_bytes: int
    kv_cache_bytes: int
    visual_tokens: int
    prompt_tokens: int
    answer_tokens: int
    prefill_flops: float
    total_flops: float

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
        """All of it in JSON's types."""
        return {**asdict(self), "prefill_seconds": self.prefill_seconds, "total_seconds": self.total_seconds,
                "decode_seconds_per_token": self.decode_seconds_per_token}


@dataclass(frozen=True)
class Comparison:
    """Both sides, and how they were measured.

    kept: rows x columns of the patch grid, True where FastV kept the visual token. seen: the picture as the vision
    tower got it, which is what the grid lies on. model: the catalogue key, folder or hub id.
    """

    baseline: RunResult
    fastv: RunResult
    kept: tuple[tuple[bool, ...], ...]
    seen: Image.Image = field(repr=False, compare=False)
    question: str
    model: str
    dtype: str
    device: str
    k: int
    r: float
    rank: str
    seed: int
    max_new_tokens: int
    repeats: int
    warmup: int
    machine: Machine

    def to_dict(self) -> dict[str, Any]:
        """All of it but the picture, in JSON's types."""
        plain = {name: value for name, value in vars(self).items() if name != "seen"}
        return {**plain, "baseline": self.baseline.to_dict(), "fastv": self.fastv.to_dict(),
                "kept": [list(row) for row in self.kept], "machine": asdict(self.machine)}


def compare(loaded: LoadedModel, picture: Any, question: str, *, k: int = 2, r: float = 0.5, rank: str = "last_token",
            seed: int = 0, max_new_tokens: int = 64, repeats: int = 3,
            warmup: int = 1, seconds: float | None = None,
            unwanted: Callable[[], bool] = never) -> Iterator[Progress | Comparison]:
    """Answers a question about a picture on both sides; yields ``Progress`` all along and a ``Comparison`` at the end.

    picture: what ``inputs.open_picture`` takes. k, r, rank, seed: see ``FastV``. max_new_tokens: the longest answer.
    repeats: timed passes of each side. warmup: untimed ones before, of which the first is the one that streams, so at
    least 1. seconds: how long it may take from when the model is free. When they are over it ends at the next token:
    with the rounds that were timed until then, see ``Comparison.repeats``, or, before the first is, without a
    ``Comparison``. unwanted: asked after every token whether nobody waits for it any more; it then ends without one.

    Bad arguments raise at once: InvalidInputError, InvalidBudgetError. Closing the iterator stops after the token
    being made and leaves no thread behind. One comparison runs on a model at a time; a second one waits. Running out
    of memory raises FastVError; other errors come through as they are.
    """
    budget = FastV(k=k, r=r, rank=rank, seed=seed)
    check_budget(k, r, len(loaded.family.decoder(loaded.model).layers))
    for name, value, most in (("max_new_tokens", max_new_tokens, MAX_ANSWER_TOKENS), ("repeats", repeats, MAX_ROUNDS),
                              ("warmup", warmup, MAX_ROUNDS)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise InvalidInputError(f"{name} is a whole number from 1 to {most:,}, not {value!r}.")
    question = check_question(question, loaded.processor.tokenizer)
    picture = open_picture(picture)
    duel = _Duel(loaded, budget, max_new_tokens, repeats, warmup, seconds)
    return reports_of(partial(duel.run, picture, question), unwanted)


Report = Callable[[Progress | Comparison], None]
OnToken = Callable[[tuple[int, ...]], None]


@contextmanager
def _held(lock: threading.Lock, stopped: Callable[[], bool]) -> Iterator[None]:
    """Holds the lock; gives up waiting for it when stopped."""
    while not lock.acquire(timeout=0.05):
        if stopped():
            raise Stopped
    try:
        yield
    finally:
        lock.release()


class _Duel:
    """One comparison in the thread that runs it: FastV is entered, and the model called, in this thread alone."""

    def __init__(self, loaded: LoadedModel, budget: FastV, max_new_tokens: int, repeats: int, warmup: int,
                 seconds: float | None):
        self.loaded, self.budget, self.seconds = loaded, budget, seconds
        self.max_new_tokens, self.repeats, self.warmup = max_new_tokens, repeats, warmup
        self.texts = {"baseline": "", "fastv": ""}
        self.passes_done = 0

    def run(self, picture: Image.Image, question: str, report: Report, stopped: Callable[[], bool]) -> None:
        self.report, self.stopped = report, stopped
        self._tell("waiting")
        try:
            with _held(self.loaded.lock, stopped):
                comparison = self._comparison(picture, question)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        else:
            return report(comparison)
        # Outside the handler: an error that is still held keeps its frames, and in them the tensors.
        free_memory(self.loaded.device)
        raise FastVError("The memory ran out while answering: choose a shorter answer, the dtype 4bit, or a smaller "
                         "model.")

    def _comparison(self, picture: Image.Image, question: str) -> Comparison:
        loaded, budget, self.begun = self.loaded, self.budget, now(self.loaded.device)
        self.prompt = prompt_of(loaded, picture, question, answer_tokens=self.max_new_tokens)
        peaks = [self._first_pass(side) for side in ("baseline", "fastv")]
        with watched() as others:
            baseline, fastv = interleaved([self._plain_pass, self._fastv_pass], repeats=self.repeats,
                                          warmup=self.warmup - 1)
        kept = self.prompt.on_grid(self.kept)
        return Comparison(
            baseline=self._result(baseline, peaks[0], self.prompt.visual_tokens, k=None, r=0.0),
            fastv=self._result(fastv, peaks[1], sum(map(sum, kept)), k=budget.k, r=budget.r),
            kept=kept, seen=self.prompt.seen, question=question, model=loaded.entry.key, dtype=loaded.dtype,
            device=str(loaded.device), k=budget.k, r=budget.r, rank=budget.rank, seed=budget.seed,
            max_new_tokens=self.max_new_tokens, repeats=len(baseline), warmup=self.warmup,
            machine=Machine.here(loaded.device, others))

    def _first_pass(self, side: str) -> int:
        """Streams the side's text; returns its peak bytes."""
        def on_token(tokens: tuple[int, ...]) -> None:
            self.texts[side] = answer_text(self.loaded, tokens)
            self._tell(side, part=len(tokens) / self.max_new_tokens)

        self._tell(side)
        with peak_memory(self.loaded.model) as memory:
            self._plain_pass(on_token) if side == "baseline" else self._fastv_pass(on_token)
        return memory.peak_bytes

    def _plain_pass(self, on_token: OnToken | None = None) -> Pass:
        if on_token is None:
            self._tell("measuring")
        answer = generate(self.loaded.model, self.prompt.inputs, max_new_tokens=self.max_new_tokens, on_token=on_token,
                          stopped=lambda: self.stopped() or self._is_late())
        if self.stopped():
            raise Stopped
        if self._is_late():
            raise OutOfTime
        self.passes_done += 1
        return answer

    def _is_late(self) -> bool:
        return self.seconds is not None and now(self.loaded.device) - self.begun > self.seconds

    def _fastv_pass(self, on_token: OnToken | None = None) -> Pass:
        with self.budget(self.loaded.model) as trace:
            answer = self._plain_pass(on_token)
        self.kept = trace.kept[0]
        return answer

    def _tell(self, stage: str, part: float = 0.0) -> None:
        """Reports how far it is; part: how much of the present pass is done."""
        fraction = (self.passes_done + part) / (2 * (self.warmup + self.repeats))
        self.report(Progress(stage, self.texts["baseline"], self.texts["fastv"], fraction))

    def _result(self, passes: list[Pass], peak_bytes: int, visual_tokens: int, k: int | None, r: float) -> RunResult:
        prompt, last = self.prompt, passes[-1]
        flops = cost(self.loaded.model.config, text_tokens=prompt.tokens - prompt.visual_tokens,
                     visual_tokens=prompt.visual_tokens, answer_tokens=len(last.tokens), k=k, r=r, convention="exact")
        return RunResult(answer=answer_text(self.loaded, last.tokens), timing=Timing.of(passes), peak_bytes=peak_bytes,
                         kv_cache_bytes=last.kv_cache_bytes, visual_tokens=visual_tokens, prompt_tokens=prompt.tokens,
                         answer_tokens=len(last.tokens), prefill_flops=flops.prefill_flops,
                         total_flops=flops.total_flops)
