"""How long a sweep will take, before it begins: one question is answered, and the rest follows from FLOPs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastv.errors import InvalidInputError
from fastv.measurement.answer_cost import answer_cost
from fastv.measurement.prompt import Prompt
from fastv.measurement.results import layer_count
from fastv.measurement.thread_choice import fitting_threads
from fastv.measurement.timed import Pass
from fastv.measurement.timing import generate
from fastv.pruning.config import PruningConfig
from fastv.sweep.quality_pass import prompt_for
from fastv.sweep.run import SweepRun


@dataclass(frozen=True)
class Estimate:
    """What is left to do.

    Attributes
    ----------
    questions, answers : int
        Questions that are still to be asked at some cell, and their answers, those without pruning included.
    timed_passes : int
        Passes that are still to be timed.
    answer_seconds, timing_seconds : float
        About how long both take. What batches save is not counted.
    """

    questions: int
    answers: int
    timed_passes: int
    answer_seconds: float
    timing_seconds: float

    @property
    def seconds(self) -> float:
        return self.answer_seconds + self.timing_seconds


def estimate(run: SweepRun) -> Estimate:
    """Of a sweep that is open. It answers a question twice without pruning; nothing is written.

    Raises
    ------
    InvalidInputError
        Where no question can be asked.
    """
    missing = [configs for _, identity in run.order if (configs := run.missing(identity))]
    untimed = [some for _, identity in run.to_time() if (some := run.untimed(identity))]
    if not missing and not untimed:
        return Estimate(0, 0, 0, 0.0, 0.0)
    prompt, prepared, whole = _one_answer(run)
    shares = {config: _shares(run, prompt, whole, config) for config in run.configs}
    answers = [[config for config in configs if config] for configs in missing]
    branches = sum(shares[config][0] for configs in answers for config in configs)
    passes = sum(shares[config][1] for configs in untimed for config in configs)
    return Estimate(
        questions=len(missing),
        answers=sum(1 + len(configs) for configs in answers),
        timed_passes=sum(1 + len(configs) for configs in untimed),
        answer_seconds=prepared * len(missing) + whole.total_seconds * (len(missing) + branches),
        timing_seconds=prepared * len(untimed) + whole.total_seconds * (len(untimed) + passes),
    )


def _one_answer(run: SweepRun) -> tuple[Prompt, float, Pass]:
    """A prompt, the seconds that preparing it took, and an answer without pruning."""
    problem = "there are no questions"
    for sample, _ in run.order:
        begun = time.perf_counter()
        try:
            prompt = prompt_for(run.loaded, sample, run.settings.answer_tokens)
        except InvalidInputError as error:
            problem = str(error)
            continue
        prepared = time.perf_counter() - begun
        with run.loaded.lock, fitting_threads(run.loaded.device):
            for _ in range(2):  # the first passes of a process are slow
                whole = generate(run.loaded.model, prompt.inputs, max_new_tokens=run.settings.answer_tokens)
        return prompt, prepared, whole
    raise InvalidInputError(f"No question could be asked: {problem}")


def _shares(run: SweepRun, prompt: Prompt, whole: Pass, config: PruningConfig) -> tuple[float, float]:
    """How long a branch and a pass of its own take at a config, as shares of the pass without pruning."""
    tokens = len(whole.tokens)
    unpruned = answer_cost(run.loaded, prompt, tokens, None)
    pruned = answer_cost(run.loaded, prompt, tokens, config)
    if unpruned is None or pruned is None:
        return 1.0, 1.0
    cut = config.build().schedule(layer_count(run.loaded))[0]
    before = pruned.vision_tower_flops + pruned.projector_flops + sum(pruned.layer_flops[:cut])
    return (pruned.total_flops - before) / unpruned.total_flops, pruned.total_flops / unpruned.total_flops
