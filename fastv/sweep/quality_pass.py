"""The answers of a batch of questions at every cell: what cells have in common is computed once. Nothing is timed.

The pass without pruning is recorded, and the pruned ones branch off it (``measurement.prefix_reuse``), in one call of
``generate`` (``measurement.branched_answers``). Questions of similar length are answered together
(``measurement.batched_answers``), and what was answered without pruning, or at other cells, is the guess at what will
be with it (``measurement.drafted_answers``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastv.errors import FastVError, InvalidInputError
from fastv.inputs.image import check_question
from fastv.loading.load import LoadedModel, free_memory, is_out_of_memory
from fastv.measurement.answer_cost import answer_cost
from fastv.measurement.batched_answers import Rows, collate, generate_ids, generate_rows, rows_of
from fastv.measurement.branched_answers import Answer, can_join, within_generate
from fastv.measurement.drafted_answers import can_be_drafted
from fastv.measurement.prefix_reuse import recording, replaying
from fastv.measurement.prompt import Prompt, answer_text, prompt_of
from fastv.measurement.results import layer_count
from fastv.measurement.thread_choice import fitting_threads
from fastv.measurement.unread_positions import unread_left_out
from fastv.pruning.config import PruningConfig
from fastv.pruning.pruner import pruned
from fastv.pruning.signals import ATTENTION, UNROTATED
from fastv.sweep.cells import Cell, CellAnswer, for_sample
from fastv.sweep.datasets.base import Sample
from fastv.sweep.row_draws import for_rows
from fastv.sweep.shown import open_shown

_OF_KERNELS = {ATTENTION, UNROTATED}  # signals that an attention kernel's inputs give
HOLD_SECONDS = 1.0  # after which others that wait for the model have their turn between two cells
OUT_OF_MEMORY = "Out of memory: use a smaller image, a shorter answer, or the dtype 4bit."


@dataclass(frozen=True)
class Asked:
    """A question of a sweep, ready to be put to the model."""

    sample: Sample
    identity: str
    prompt: Prompt


@dataclass(frozen=True)
class Answers:
    """What came of one question: its answers in the order of the cells, or the problem where it cannot be asked.

    ``batch`` is how many questions were answered together.
    """

    identity: str
    answers: tuple[CellAnswer, ...] = ()
    problem: str | None = None
    batch: int = 1


def prompt_for(loaded: LoadedModel, sample: Sample, answer_tokens: int) -> Prompt:
    """The prompt of a sample. Raises InvalidInputError where its question or its image cannot be used."""
    question = check_question(sample.prompt, loaded.processor.tokenizer)
    return prompt_of(loaded, open_shown(sample), question, answer_tokens=answer_tokens)


def answers_to(
    loaded: LoadedModel,
    questions: Sequence[tuple[Sample, str]],
    configs: Sequence[PruningConfig],
    *,
    answer_tokens: int,
    batch: int = 1,
    drafted: bool | None = None,
) -> Iterator[Answers]:
    """Answer questions without pruning and at every config.

    Parameters
    ----------
    loaded
        The model.
    questions
        Samples with their ids. A config that draws at random draws anew for every question.
    configs
        The pruned cells.
    answer_tokens
        The longest answer, in tokens.
    batch
        The most questions that are answered together; fewer where memory does not suffice, or where prompts do not go
        together.
    drafted
        Whether answers are guessed by those without pruning, where the model can go back on a guess; by default where
        ``batch`` is above 1. With a batch of 1 and without guesses every pass is bit for bit one of its own.

    Yields
    ------
    Answers
        One for each question, in another order.
    """
    asked = []
    for sample, identity in questions:
        try:
            asked.append(Asked(sample, identity, prompt_for(loaded, sample, answer_tokens)))
        except InvalidInputError as error:
            yield Answers(identity, problem=str(error))
    guess = batch > 1 if drafted is None else drafted
    for together in batches([one.prompt.tokens for one in asked], batch):
        yield from _answered(loaded, [asked[index] for index in together], configs, answer_tokens, guess)


def batches(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Which prompts are answered together, by their lengths in tokens.

    Prompts of one length need no padding, and attention kernels are faster without. Those that have no equal are put
    together and padded, neighbours in length first.

    Returns
    -------
    list of list of int
        Indices, each once, in lists of at most ``most``.
    """
    groups: dict[int, list[int]] = {}
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        groups.setdefault(lengths[index], []).append(index)
    equal = [group for group in groups.values() if len(group) > 1]
    equal.append([group[0] for group in groups.values() if len(group) == 1])
    return [group[start : start + most] for group in equal for start in range(0, len(group), most)]


def _answered(
    loaded: LoadedModel, asked: Sequence[Asked], configs: Sequence[PruningConfig], answer_tokens: int, drafted: bool
) -> Iterator[Answers]:
    """All at once, or where that fails each half by itself."""
    problem = ""
    try:
        with fitting_threads(loaded.device):
            columns = _columns(loaded, asked, configs, answer_tokens, drafted)
    except Exception as error:
        if not isinstance(error, FastVError) and not is_out_of_memory(error):
            raise
        if len(asked) == 1 and isinstance(error, FastVError) and not isinstance(error, InvalidInputError):
            raise  # of the model or the config, not of the question
        problem = OUT_OF_MEMORY if is_out_of_memory(error) else str(error)
    else:
        for one, answers in zip(asked, zip(*columns)):
            yield Answers(one.identity, answers, batch=len(asked))
        return
    free_memory(loaded.device)  # outside the handler: an error that is still held keeps its tensors
    if len(asked) == 1:
        yield Answers(asked[0].identity, problem=problem)
        return
    half = len(asked) // 2
    yield from _answered(loaded, asked[:half], configs, answer_tokens, drafted)
    yield from _answered(loaded, asked[half:], configs, answer_tokens, drafted)


def _columns(
    loaded: LoadedModel, asked: Sequence[Asked], configs: Sequence[PruningConfig], answer_tokens: int, drafted: bool
) -> list[list[CellAnswer]]:
    """Cell by cell, without pruning first, the answers of all questions."""
    layers = layer_count(loaded)
    cuts = {config: config.build().schedule(layers)[0] for config in configs}
    ranked = {cut - 1 for config, cut in cuts.items() if _OF_KERNELS.intersection(config.build().reads_at(0, cut))}
    inputs = collate([one.prompt.inputs for one in asked], loaded.processor.tokenizer.pad_token_id or 0)
    model, family = loaded.model, loaded.family

    def answers(config: Cell, rows: Rows, shared_layers: int) -> list[CellAnswer]:
        return [_answer(loaded, one, config, row, shared_layers) for one, row in zip(asked, rows)]

    def reading() -> AbstractContextManager[None]:
        return unread_left_out(model, family) if drafted else nullcontext()

    with loaded.lock, reading(), recording(model, family, max(cuts.values(), default=0), ranked) as prefix:
        unpruned = generate_ids(model, inputs, max_new_tokens=answer_tokens)
    draft = unpruned[:, :-1] if drafted and can_be_drafted(family.decoder(model), family) else None
    branches: dict[PruningConfig, tuple[Rows, int] | None] = {}  # None: refused
    said: list[Rows] = []  # by the pruned ones: the next one's guess where it says something else

    def branch(config: PruningConfig, answer: Callable[[], Rows]) -> None:
        try:
            method = for_rows([for_sample(config, one.identity) for one in asked])
            with replaying(model, family, prefix, cuts[config]) as replay, pruned(model, method):
                rows = answer()
        except FastVError:  # of one of the questions, or of the method: the other cells have their answers
            branches[config] = None
        else:
            branches[config] = rows, replay.layers
            said.append(rows)

    def in_turn(waiting: list[PruningConfig], answer: Answer) -> None:
        begun = time.monotonic()
        while waiting:
            branch(waiting.pop(0), lambda: answer(draft, said))
            if time.monotonic() - begun >= HOLD_SECONDS:
                return

    def in_one_call(ask: Callable[[Answer], Any]) -> Any:
        return within_generate(model, inputs, ask, max_new_tokens=answer_tokens)

    joined = [config for config in configs if can_join(config.build())]
    for config in configs:
        if config not in joined:
            with loaded.lock, reading():
                branch(config, lambda: in_one_call(lambda answer: answer(draft, said)))
    while joined:
        with loaded.lock, reading(), replaying(model, family, prefix, 0):
            in_one_call(partial(in_turn, joined))
    found = [answers(None, rows_of(model, unpruned), 0)]
    for config in configs:
        taken = branches[config]
        if taken is None:
            found.append([_alone(loaded, one, config, answer_tokens) for one in asked])
        else:
            found.append(answers(config, *taken))
    return found


def _alone(loaded: LoadedModel, one: Asked, config: PruningConfig, answer_tokens: int) -> CellAnswer:
    """One answer by itself, or why its method refuses the question."""
    try:
        with loaded.lock, pruned(loaded.model, for_sample(config, one.identity).build()):
            (row,) = generate_rows(loaded.model, one.prompt.inputs, max_new_tokens=answer_tokens)
    except FastVError as error:
        return CellAnswer(config, "", 0, problem=str(error))
    return _answer(loaded, one, config, row, 0)


def _answer(loaded: LoadedModel, one: Asked, config: Cell, tokens: tuple[int, ...], shared: int) -> CellAnswer:
    flops: Any = answer_cost(loaded, one.prompt, len(tokens), config)
    return CellAnswer(
        config=config,
        answer=answer_text(loaded, tokens),
        answer_tokens=len(tokens),
        total_flops=flops.total_flops if flops else None,
        shared_layers=shared,
    )
