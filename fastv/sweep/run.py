"""A sweep: what pruning costs in quality, and what it saves, over a list of questions.

Every question is answered greedily without pruning and at each pruning config. Answers are written to a record file as
they come, a line for each question that was asked; the same command goes on where it was ended, and a command with
further configs or questions asks only those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastv.costs.flops import check_pruning
from fastv.errors import FastVError, InvalidInputError
from fastv.loading.load import LoadedModel, free_memory, is_out_of_memory
from fastv.measurement.machine import Machine
from fastv.measurement.records import Record, RecordFile
from fastv.measurement.results import layer_count
from fastv.pruning.config import PruningConfig
from fastv.sweep.cells import Cell, CellAnswer, answer_question, sample_id
from fastv.sweep.datasets.base import Sample
from fastv.sweep.earlier_records import convert_earlier
from fastv.validation import whole

MAX_ANSWER_TOKENS = 4_096
_OUT_OF_MEMORY = "Out of memory: use a smaller image, a shorter answer, or the dtype 4bit."


@dataclass(frozen=True)
class PairedAnswer:
    """The answer at a cell, and the one without pruning that was timed beside it."""

    unpruned: CellAnswer
    pruned: CellAnswer


@dataclass(frozen=True)
class SampleResult:
    """All answers to one question.

    Attributes
    ----------
    sample : Sample
    answers : mapping of PruningConfig or None to PairedAnswer
        Empty where the question could not be asked.
    problem : str or None
        Why it could not.
    """

    sample: Sample
    answers: Mapping[Cell, PairedAnswer]
    problem: str | None = None


def check_answer_tokens(answer_tokens: int) -> int:
    """The longest answer in tokens, checked: before a model is loaded. Raises InvalidInputError."""
    return whole(
        answer_tokens, "The longest answer (answer tokens)", low=1, high=MAX_ANSWER_TOKENS, error=InvalidInputError
    )


def sweep(
    loaded: LoadedModel,
    samples: Sequence[Sample],
    configs: Sequence[PruningConfig],
    path: Path,
    *,
    answer_tokens: int = 32,
    report: Callable[[int], None] = lambda done: None,
) -> list[SampleResult]:
    """Ask whatever ``path`` does not hold yet.

    Parameters
    ----------
    loaded
        The model.
    samples
        The questions.
    configs
        The pruning configs at which they are answered, beside no pruning.
    path
        The record file; made where there is none.
    answer_tokens
        The longest answer, in tokens.
    report
        Called before each question, and at the end, with the number of questions that are done.

    Returns
    -------
    list of SampleResult
        One for each sample.

    Raises
    ------
    InvalidBudgetError
        For a layer that the model does not have.
    InvalidInputError
        Where the file holds something else, or was written with other settings.
    """
    answer_tokens = check_answer_tokens(answer_tokens)
    layers = layer_count(loaded)
    for config in configs:
        check_pruning(config.k, config.r, layers)
    identities = [sample_id(sample) for sample in samples]
    convert_earlier(path, samples, identities, _header(loaded, answer_tokens))
    with RecordFile.open(path, _header(loaded, answer_tokens)) as file:
        results = _Results(path, file.records)
        warm = False
        for number, (sample, identity) in enumerate(zip(samples, identities)):
            report(number)
            missing = [config for config in configs if config not in results.answers(identity)]
            if results.problem(identity) or (results.answers(identity) and not missing):
                continue
            cells: list[Cell] = [None, *missing]
            if not warm:  # the first passes of a process are slow
                _asked(loaded, sample, identity, cells, answer_tokens, 0)
            record = _asked(loaded, sample, identity, cells, answer_tokens, number % len(cells))
            warm = "answers" in record
            file.add(record)
            results.add(record)
    report(len(samples))
    return [
        SampleResult(sample, results.answers(identity), results.problem(identity))
        for sample, identity in zip(samples, identities)
    ]


def _header(loaded: LoadedModel, answer_tokens: int) -> Record:
    return {
        "kind": "sweep",
        "model": loaded.entry.key,
        "dtype": loaded.dtype,
        "answer_tokens": answer_tokens,
        "draws": "per question",
        "machine": asdict(Machine.here(loaded.device)),
    }


def _asked(
    loaded: LoadedModel, sample: Sample, identity: str, cells: Sequence[Cell], answer_tokens: int, first: int
) -> Record:
    """The record of one question: its answers, or the problem where it cannot be asked."""
    try:
        answers = answer_question(loaded, sample, cells, answer_tokens=answer_tokens, first=first)
    except InvalidInputError as error:
        problem = str(error)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        problem = _OUT_OF_MEMORY
    else:
        return {"question": identity, "answers": [answer.to_dict() for answer in answers]}
    free_memory(loaded.device)  # outside the handler: an error that is still held keeps its tensors
    return {"question": identity, "problem": problem}


class _Results:
    """All records of a file by question and cell."""

    def __init__(self, path: Path, records: Sequence[Record]):
        self._answers: dict[str, dict[Cell, PairedAnswer]] = {}
        self._problems: dict[str, str] = {}
        for number, record in enumerate(records, 2):
            try:
                self.add(record)
            except (KeyError, TypeError, ValueError, FastVError) as error:
                raise InvalidInputError(f"{path}, line {number}: this is no record of a sweep ({error!r}).") from error

    def add(self, record: Mapping[str, Any]) -> None:
        """Records of one question add up; its answers are compared with the unpruned one of the same record."""
        identity = record["question"]
        if "problem" in record:
            self._problems[identity] = record["problem"]
            return
        unpruned, *pruned = (CellAnswer.from_dict(answer) for answer in record["answers"])
        found = self._answers.setdefault(identity, {})
        found[None] = PairedAnswer(unpruned, unpruned)
        found.update({answer.config: PairedAnswer(unpruned, answer) for answer in pruned})

    def answers(self, identity: str) -> Mapping[Cell, PairedAnswer]:
        return self._answers.get(identity, {})

    def problem(self, identity: str) -> str | None:
        return None if identity in self._answers else self._problems.get(identity)
