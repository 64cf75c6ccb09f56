"""One picture or clip and one question, answered on two sides: both texts as they grow, then the cost of each answer.

The protocol: a first pass of each side streams its text and has its memory followed, untimed; then the sides take
turns, in alternating order (A B B A), for the remaining warm-up rounds and for the timed ones, in which nothing else
happens. The method's own work is part of its passes. Sides of one model get the very same tensors; another model gets
what its own processor makes of the same picture or clip and question.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from PIL import Image

from fastv.errors import FastVError, InvalidInputError
from fastv.inputs.image import check_question, open_picture
from fastv.inputs.video import Clip
from fastv.loading.load import free_memory, is_out_of_memory
from fastv.measurement.answer_cost import answer_cost
from fastv.measurement.machine import Machine
from fastv.measurement.memory import peak_memory
from fastv.measurement.prompt import answer_text, check_reads, prompt_of
from fastv.measurement.results import SIDES, Comparison, Progress, RunResult, Side
from fastv.measurement.system_load import OtherLoad, watch_load
from fastv.measurement.thread_choice import fitting_threads
from fastv.measurement.timing import Pass, Timing, generate, interleaved, now
from fastv.stats import Ratio
from fastv.validation import real, whole
from fastv.worker import OutOfTime, Stopped, never, reports_of

__all__ = ["Comparison", "Progress", "RunResult", "RunSettings", "Side", "compare"]

MAX_ANSWER_TOKENS, MAX_ROUNDS = 1_024, 50
_BUSY_CORES = 0.3  # of other processes, from which on they disturb what is timed


@dataclass(frozen=True)
class RunSettings:
    """How a comparison is run.

    Parameters
    ----------
    max_new_tokens : int
        The longest answer, in tokens.
    repeats : int
        Timed passes of each side.
    warmup : int
        Untimed passes before them, at least 1: the first is the one that streams.
    time_limit_seconds : float or None
        From when the models are free. When it is over the comparison ends at the next token: with the rounds that were
        timed until then, or without a result where there is none.
    more_when_busy : int
        Timed passes of each side that are added, once, where other processes kept the machine busy and the times to
        first token cannot be told apart.

    Raises
    ------
    InvalidInputError
        For values out of range.
    """

    max_new_tokens: int = 64
    repeats: int = 3
    warmup: int = 1
    time_limit_seconds: float | None = None
    more_when_busy: int = 0

    def __post_init__(self) -> None:
        whole(self.max_new_tokens, "max_new_tokens", low=1, high=MAX_ANSWER_TOKENS, error=InvalidInputError)
        whole(self.repeats, "repeats", low=1, high=MAX_ROUNDS, error=InvalidInputError)
        whole(self.warmup, "warmup", low=1, high=MAX_ROUNDS, error=InvalidInputError)
        whole(self.more_when_busy, "more_when_busy", low=0, high=MAX_ROUNDS, error=InvalidInputError)
        if self.time_limit_seconds is not None:
            real(self.time_limit_seconds, "time_limit_seconds", above=0, error=InvalidInputError)


def compare(
    candidate: Side,
    picture: Any,
    question: str,
    *,
    baseline: Side | None = None,
    settings: RunSettings | None = None,
    unwanted: Callable[[], bool] = never,
) -> Iterator[Progress | Comparison]:
    """Answer a question about a picture or a clip on both sides.

    Parameters
    ----------
    candidate
        The side called "fastv" in what is yielded.
    picture
        What ``inputs.image.open_picture`` takes, or, for models that read videos, what ``inputs.video.open_video``
        returns.
    question
        The question.
    baseline
        The side it is compared with; by default the candidate's model without pruning.
    settings
        Lengths and rounds.
    unwanted
        Asked after every token whether the result is no longer wanted; the comparison then ends without one.

    Yields
    ------
    Progress or Comparison
        ``Progress`` all along, and one ``Comparison`` at the end. Closing the iterator stops after the token that is
        being made and leaves no thread behind. One comparison runs on a model at a time; a second one waits.

    Raises
    ------
    InvalidInputError
        At once, for a picture or question that cannot be used.
    FastVError
        Where memory ran out. Other errors come through as they are.
    """
    settings = settings or RunSettings()
    sides = dict(zip(SIDES, (baseline or Side(candidate.loaded), candidate)))
    for side in sides.values():
        question = check_question(question, side.loaded.processor.tokenizer)
    picture = picture if isinstance(picture, Clip) else open_picture(picture)
    for side in sides.values():
        check_reads(side.loaded, picture)
    run = _ComparisonRun(sides, settings)
    reports: Iterator[Progress | Comparison | None] = reports_of(partial(run.run, picture, question), unwanted)
    return cast("Iterator[Progress | Comparison]", reports)  # None is yielded only where ``silence`` is set


Report = Callable[[Progress | Comparison], None]
OnToken = Callable[[tuple[int, ...]], None]


@contextmanager
def _held(locks: Iterable[threading.Lock], stopped: Callable[[], bool]) -> Iterator[None]:
    """Hold the locks, each once; stop waiting when stopped.

    They are taken in a fixed order, so that two comparisons of the same models never wait for each other.
    """
    with ExitStack() as held:
        for lock in sorted(set(locks), key=id):
            while not lock.acquire(timeout=0.05):
                if stopped():
                    raise Stopped
            held.callback(lock.release)
        yield


class _ComparisonRun:
    """One comparison in the thread that runs it: models are pruned and called in this thread alone."""

    def __init__(self, sides: Mapping[str, Side], settings: RunSettings):
        self.sides, self.settings = sides, settings
        self.texts = dict.fromkeys(sides, "")
        self.kept: dict[str, Any] = {}  # prompt positions, for the sides that are pruned
        self.passes_done = 0
        self.is_adding = False  # rounds, because the machine is busy

    def run(self, picture: Image.Image | Clip, question: str, report: Report, stopped: Callable[[], bool]) -> None:
        self.report, self.stopped = report, stopped
        self._tell("waiting")
        try:
            with (
                _held((side.loaded.lock for side in self.sides.values()), stopped),
                fitting_threads(self.sides["fastv"].loaded.device),
            ):
                comparison = self._comparison(picture, question)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        else:
            return report(comparison)
        # Outside the handler: an error that is still held keeps its frames, and in them the tensors.
        for side in self.sides.values():
            free_memory(side.loaded.device)
        raise FastVError("Out of memory while answering: choose a shorter answer, the dtype 4bit, or a smaller model.")

    def _comparison(self, picture: Image.Image | Clip, question: str) -> Comparison:
        models = {id(side.loaded.model): side.loaded for side in self.sides.values()}
        device = self.sides["fastv"].loaded.device
        self.begun = now(device)
        made = {
            key: prompt_of(loaded, picture, question, answer_tokens=self.settings.max_new_tokens)
            for key, loaded in models.items()
        }
        self.prompts = {name: made[id(side.loaded.model)] for name, side in self.sides.items()}
        peaks = {name: self._first_pass(name) for name in self.sides}
        with watch_load() as others:
            passes = interleaved(
                [partial(self._pass, name) for name in self.sides],
                repeats=self.settings.repeats,
                warmup=self.settings.warmup - 1,
            )
        if self.settings.more_when_busy and _is_busy(others) and _is_undecided(passes):
            passes = self._with_more(passes)
        results = {name: self._result(name, timed, peaks[name]) for name, timed in zip(self.sides, passes)}
        return Comparison(
            baseline=results["baseline"],
            fastv=results["fastv"],
            question=question,
            max_new_tokens=self.settings.max_new_tokens,
            repeats=len(passes[0]),
            warmup=self.settings.warmup,
            machine=Machine.here(device, others),
        )

    def _with_more(self, passes: list[list[Pass]]) -> list[list[Pass]]:
        """The passes with more rounds after them, as many as there is time for."""
        self.is_adding = True
        sides = [partial(self._pass, name) for name in self.sides]
        try:
            more = interleaved(sides, repeats=self.settings.more_when_busy)
        except OutOfTime:
            return passes
        return [first + second for first, second in zip(passes, more)]

    def _first_pass(self, name: str) -> int:
        """Streams the side's text; returns its peak bytes."""
        loaded = self.sides[name].loaded

        def on_token(tokens: tuple[int, ...]) -> None:
            self.texts[name] = answer_text(loaded, tokens)
            self._tell(name, part=len(tokens) / self.settings.max_new_tokens)

        self._tell(name)
        with peak_memory(loaded.model) as memory:
            self._pass(name, on_token)
        return memory.peak_bytes

    def _pass(self, name: str, on_token: OnToken | None = None) -> Pass:
        """One answer of the side; timed passes have no ``on_token``."""
        if on_token is None:
            self._tell("adding" if self.is_adding else "measuring")
        side = self.sides[name]
        method = side.pruning.build() if side.pruning else None
        with method(side.loaded.model) if method else nullcontext() as trace:
            answer = generate(
                side.loaded.model,
                self.prompts[name].inputs,
                max_new_tokens=self.settings.max_new_tokens,
                on_token=on_token,
                stopped=lambda: self.stopped() or self._is_late(),
            )
        if self.stopped():
            raise Stopped
        if self._is_late():
            raise OutOfTime
        if trace is not None and trace.kept is not None:
            self.kept[name] = trace.kept[0]
        self.passes_done += 1
        return answer

    def _is_late(self) -> bool:
        limit = self.settings.time_limit_seconds
        return limit is not None and now(self.sides["fastv"].loaded.device) - self.begun > limit

    def _tell(self, stage: str, part: float = 0.0) -> None:
        """Reports how far it is; part: how much of the present pass is done."""
        rounds = self.settings.warmup + self.settings.repeats + self.is_adding * self.settings.more_when_busy
        fraction = (self.passes_done + part) / (len(self.sides) * rounds)
        self.report(Progress(stage, self.texts["baseline"], self.texts["fastv"], fraction))

    def _result(self, name: str, passes: list[Pass], peak_bytes: int) -> RunResult:
        side, prompt, last = self.sides[name], self.prompts[name], passes[-1]
        whole = prompt.visual.nonzero()[:, 0]
        seen = prompt.seen(self.kept.get(name, whole))
        flops = answer_cost(side.loaded, prompt, len(last.tokens), side.pruning)
        return RunResult(
            setup=side.setup,
            answer=answer_text(side.loaded, last.tokens),
            timing=Timing.of(passes),
            peak_bytes=peak_bytes,
            kv_cache_bytes=last.kv_cache_bytes,
            visual_tokens=sum(one.kept_tokens for one in seen),
            prompt_tokens=prompt.tokens,
            answer_tokens=len(last.tokens),
            prefill_flops=flops.prefill_flops if flops else None,
            total_flops=flops.total_flops if flops else None,
            seen=seen,
        )


def _is_busy(others: OtherLoad) -> bool:
    return others.busy_cores is not None and others.busy_cores > _BUSY_CORES


def _is_undecided(passes: list[list[Pass]]) -> bool:
    """Whether the times to first token of the two sides cannot be told apart."""
    ratio = Ratio.of(*([one.prefill_seconds for one in its] for its in passes))
    return ratio.rounds > 1 and ratio.low <= 1 <= ratio.high
