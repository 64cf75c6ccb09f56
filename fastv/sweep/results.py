"""What a sweep found, by question and cell, read from its records.

A record is of one question: ``answers``, the one without pruning first, or ``times``, likewise, with the ``machine``
they were measured on, or a ``problem``. Records of one question add up. Earlier versions timed every answer, on the
machine that the file's header names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastv.errors import FastVError, InvalidInputError
from fastv.measurement.records import Record
from fastv.pruning.config import PruningConfig
from fastv.sweep.cells import Cell, CellAnswer, CellTime
from fastv.sweep.datasets.base import Sample

_MOMENTARY = "others_busy_cores"  # of a machine: how busy it was, not which it is


@dataclass(frozen=True)
class PairedAnswer:
    """The answer at a cell, and the one without pruning that was given beside it."""

    unpruned: CellAnswer
    pruned: CellAnswer


@dataclass(frozen=True)
class PairedTime:
    """The time at a cell, and the one without pruning that was taken beside it."""

    unpruned: CellTime
    pruned: CellTime


@dataclass(frozen=True)
class SampleResult:
    """All that was found of one question.

    Attributes
    ----------
    sample : Sample
    answers : mapping of PruningConfig or None to PairedAnswer
        Empty where the question could not be asked.
    problem : str or None
        Why it could not.
    times : mapping of PruningConfig or None to PairedTime
        Empty for most questions: times are taken on a sample.
    refused : mapping of PruningConfig to str
        Why a method cannot serve this question.
    """

    sample: Sample
    answers: Mapping[Cell, PairedAnswer]
    problem: str | None = None
    times: Mapping[Cell, PairedTime] = field(default_factory=dict)
    refused: Mapping[Cell, str] = field(default_factory=dict)


class Results:
    """All records of a file."""

    def __init__(self, path: Path, header: Record, records: Sequence[Record]):
        self._machine = header.get("machine")
        self._answers: dict[str, dict[Cell, PairedAnswer]] = {}
        self._times: dict[str, dict[str, dict[Cell, PairedTime]]] = {}  # machine -> question -> cell
        self._refused: dict[str, dict[Cell, str]] = {}
        self._problems: dict[str, str] = {}
        for number, record in enumerate(records, 2):
            try:
                self.add(record)
            except (KeyError, TypeError, ValueError, FastVError) as error:
                raise InvalidInputError(f"{path}, line {number}: this is no record of a sweep ({error!r}).") from error

    def add(self, record: Mapping[str, Any]) -> None:
        """One record; its answers and times are compared with those without pruning in the same record."""
        identity = record["question"]
        if "problem" in record:
            self._problems[identity] = record["problem"]
        elif "times" in record:
            self._add_times(identity, record["machine"], map(CellTime.from_dict, record["times"]))
        else:
            unpruned, *pruned = answers = [CellAnswer.from_dict(answer) for answer in record["answers"]]
            found = self._answers.setdefault(identity, {})
            found[None] = PairedAnswer(unpruned, unpruned)
            found.update({answer.config: PairedAnswer(unpruned, answer) for answer in pruned if not answer.problem})
            refused = {answer.config: answer.problem for answer in pruned if answer.problem}
            self._refused.setdefault(identity, {}).update(refused)
            self._add_times(identity, self._machine, filter(None, map(_time_of, answers)))

    def _add_times(self, identity: str, machine: Any, times: Iterable[CellTime]) -> None:
        paired = list(times)
        if not paired:
            return
        found = self._times.setdefault(machine_key(machine), {}).setdefault(identity, {})
        found[None] = PairedTime(paired[0], paired[0])
        found.update({time.config: PairedTime(paired[0], time) for time in paired[1:]})

    def answers(self, identity: str) -> Mapping[Cell, PairedAnswer]:
        return self._answers.get(identity, {})

    def refused(self, identity: str) -> Mapping[Cell, str]:
        """The cells whose method cannot serve a question, and why."""
        return self._refused.get(identity, {})

    def times(self, identity: str, machine: str) -> Mapping[Cell, PairedTime]:
        """machine: see ``machine_key``."""
        return self._times.get(machine, {}).get(identity, {})

    def problem(self, identity: str) -> str | None:
        """Why a question could not be asked; None where it could, or was not yet."""
        return None if identity in self._answers else self._problems.get(identity)

    def timing_machine(self, identities: Sequence[str], configs: Sequence[PruningConfig], here: str) -> str:
        """The machine whose times count: times of two do not mix. The one with most of these, of equals ``here``."""
        counts = Counter({here: 0})
        for machine, found in self._times.items():
            counts[machine] += sum(config in found.get(identity, {}) for identity in identities for config in configs)
        return max(counts, key=lambda machine: (counts[machine], machine == here))

    def of_samples(self, samples: Sequence[Sample], identities: Sequence[str], machine: str) -> list[SampleResult]:
        """One result for each sample, with the times of one machine."""
        return [
            SampleResult(
                sample,
                self.answers(identity),
                self.problem(identity),
                self.times(identity, machine),
                self.refused(identity),
            )
            for sample, identity in zip(samples, identities)
        ]


def machine_key(machine: Any) -> str:
    """Tells machines apart, given what a record says of one."""
    known = {name: value for name, value in machine.items() if name != _MOMENTARY} if machine else {}
    return json.dumps(known, sort_keys=True)


def _time_of(answer: CellAnswer) -> CellTime | None:
    if answer.prefill_seconds is None or answer.total_seconds is None:
        return None
    return CellTime(answer.config, answer.prefill_seconds, answer.total_seconds)
