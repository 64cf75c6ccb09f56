"""A sweep: what pruning costs in quality, and what it saves, over a list of questions.

Every question is answered greedily without pruning and at each pruning config, many together and sharing what they have
in common; a sample of the questions is then timed, pass by pass. Records are written as they come; the same command
goes on where it was ended, also on another machine, and a command with further configs or questions asks only those.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from fastv.errors import InvalidInputError
from fastv.loading.load import LoadedModel, free_memory, is_out_of_memory
from fastv.measurement.machine import Machine
from fastv.measurement.records import Record, RecordFile
from fastv.measurement.results import layer_count
from fastv.pruning.config import PruningConfig
from fastv.pruning.token_selection import schedule_of
from fastv.sweep.cells import sample_id
from fastv.sweep.datasets.base import Sample
from fastv.sweep.earlier_records import convert_earlier
from fastv.sweep.header import FREE, check_weights, header
from fastv.sweep.quality_pass import OUT_OF_MEMORY, answers_to
from fastv.sweep.results import Results, SampleResult, machine_key
from fastv.sweep.settings import SweepSettings
from fastv.sweep.timed_pass import time_question

Stop = Callable[[Sequence[SampleResult]], Collection[PruningConfig]]
_NO_MACHINE = ""  # whose times are none
_WINDOW = 4  # batches that are put in order of length together


@dataclass(frozen=True)
class Step:
    """How far a sweep is, after something was written.

    Attributes
    ----------
    answered, questions : int
        Questions that are done, and all.
    timed, to_time : int
        Questions that are timed, and all that are to be.
    """

    answered: int
    questions: int
    timed: int
    to_time: int


class SweepRun:
    """One sweep, whose record file is open: use it in a ``with``.

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
    settings
        Lengths and numbers.

    Raises
    ------
    InvalidBudgetError
        For a layer that the model does not have.
    InvalidInputError
        Where the file holds something else, or was written with other settings.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        samples: Sequence[Sample],
        configs: Sequence[PruningConfig],
        path: Path,
        settings: SweepSettings | None = None,
    ):
        self.loaded, self.samples, self.configs = loaded, samples, list(dict.fromkeys(configs))
        self.path, self.settings = path, settings or SweepSettings()
        for config in self.configs:
            schedule_of(config.build(), layer_count(loaded))
        self.identities = [sample_id(sample) for sample in samples]
        by_identity = dict(zip(self.identities, samples))
        #: Questions with their ids, in the order in which they are asked: by id, which is as good as by lot.
        self.order = [(by_identity[identity], identity) for identity in sorted(by_identity)]
        #: Configs that are asked no further.
        self.dropped: set[PruningConfig] = set()
        self._left: set[str] = set()  # questions that are still to be asked at some cell
        self._machine = asdict(Machine.here(loaded.device))
        self._closing = ExitStack()

    def __enter__(self) -> SweepRun:
        wanted = header(self.loaded, self.settings.answer_tokens, self._machine)
        convert_earlier(self.path, self.samples, self.identities, wanted)
        with ExitStack() as stack:
            self._file = stack.enter_context(RecordFile.open(self.path, wanted, free=FREE))
            check_weights(self.path, self._file.header, wanted)
            self._results = Results(self.path, self._file.header, self._file.records)
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def results(self) -> list[SampleResult]:
        """What is known by now, a result for each sample in their order; without times where none are to be taken."""
        if not self.settings.timed:
            return self._results.of_samples(self.samples, self.identities, _NO_MACHINE)
        machine = self._results.timing_machine(self.identities, self.configs, machine_key(self._machine))
        return self._results.of_samples(self.samples, self.identities, machine)

    def in_order(self) -> list[SampleResult]:
        """Results in the order in which questions are asked, up to the first one that was not asked at all."""
        done = itertools.takewhile(
            lambda one: self._results.answers(one[1]) or self._results.problem(one[1]), self.order
        )
        return [one for sample, identity in done for one in self._results.of_samples([sample], [identity], _NO_MACHINE)]

    def steps(self, stop: Stop | None = None) -> Iterator[Step]:
        """Ask and time what the file does not hold yet; closing the iterator stops after what is being written.

        Parameters
        ----------
        stop
            Asked from time to time, with ``in_order()``, which configs not to ask any further.

        Yields
        ------
        Step
            At the beginning, and after each record.
        """
        self._drop(stop(self.in_order()) if stop else ())
        yield self._step()
        size = _WINDOW * self.settings.batch
        for start in range(0, len(self.order), size):
            yield from self._answer(self.order[start : start + size])
            if stop:
                self._drop(stop(self.in_order()))
        yield from self._time()

    @property
    def _live(self) -> list[PruningConfig]:
        return [config for config in self.configs if config not in self.dropped]

    def missing(self, identity: str) -> tuple[PruningConfig | None, ...]:
        """Cells at which a question is still to be asked."""
        if self._results.problem(identity):
            return ()
        found = self._results.answers(identity)
        if not found:
            return (None, *self._live)
        refused = self._results.refused(identity)
        return tuple(config for config in self._live if config not in found and config not in refused)

    def _answer(self, window: Sequence[tuple[Sample, str]]) -> Iterator[Step]:
        alike: dict[tuple, list[tuple[Sample, str]]] = {}
        for question in window:
            if missing := self.missing(question[1]):
                alike.setdefault(tuple(config for config in missing if config), []).append(question)
        for configs, questions in alike.items():
            for found in answers_to(
                self.loaded,
                questions,
                configs,
                answer_tokens=self.settings.answer_tokens,
                batch=self.settings.batch,
            ):
                record: Record = {"question": found.identity}
                if found.problem:
                    record["problem"] = found.problem
                else:
                    record["batch"] = found.batch
                    record["answers"] = [answer.to_dict() for answer in found.answers]
                yield self._write(record)

    def to_time(self) -> list[tuple[Sample, str]]:
        """The questions that are timed, with their ids: the first ones that can be asked."""
        asked = (question for question in self.order if not self._results.problem(question[1]))
        return list(itertools.islice(asked, self.settings.timed))

    def untimed(self, identity: str) -> list[PruningConfig]:
        """Configs at which a question that is timed still is to be."""
        here, timed = machine_key(self._machine), [one for _, one in self.to_time()]
        machine = self._results.timing_machine(timed, self._live, here)
        if any(self._untimed_on(machine, one) for one in timed):
            machine = here  # another machine's times are of use only where they are whole
        return self._untimed_on(machine, identity)

    def _untimed_on(self, machine: str, identity: str) -> list[PruningConfig]:
        known = self._results.times(identity, machine), self._results.refused(identity)
        return [config for config in self._live if not any(config in one for one in known)]

    def _time(self) -> Iterator[Step]:
        warm = False
        for turn, (sample, identity) in enumerate(self.to_time()):
            configs = self.untimed(identity)
            if not configs:
                continue
            record: Record = {"question": identity, "machine": self._machine}
            try:
                times = time_question(
                    self.loaded,
                    sample,
                    identity,
                    [None, *configs],
                    answer_tokens=self.settings.answer_tokens,
                    turn=turn,
                    first=not warm,
                )
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                raise InvalidInputError(f"{OUT_OF_MEMORY} Answers are written; take no times of them.") from None
            finally:
                free_memory(self.loaded.device)
            warm = True
            yield self._write({**record, "times": [time.to_dict() for time in times]})

    def _write(self, record: Record) -> Step:
        self._file.add(record)
        self._results.add(record)
        if not self.missing(record["question"]):
            self._left.discard(record["question"])
        return self._step()

    def _drop(self, configs: Collection[PruningConfig]) -> None:
        self.dropped |= set(configs)
        self._left = {identity for _, identity in self.order if self.missing(identity)}

    def _step(self) -> Step:
        to_time = self.to_time()
        return Step(
            len(self.order) - len(self._left),
            len(self.order),
            sum(not self.untimed(identity) for _, identity in to_time),
            len(to_time),
        )


def sweep(
    loaded: LoadedModel,
    samples: Sequence[Sample],
    configs: Sequence[PruningConfig],
    path: Path,
    *,
    answer_tokens: int = 32,
    batch: int = SweepSettings.batch,
    timed: int = SweepSettings.timed,
    report: Callable[[Step], None] = lambda step: None,
) -> list[SampleResult]:
    """Ask whatever ``path`` does not hold yet; see ``SweepRun``, whose steps ``report`` is told of.

    Returns
    -------
    list of SampleResult
        One for each sample.
    """
    with SweepRun(loaded, samples, configs, path, SweepSettings(answer_tokens, batch, timed)) as run:
        for step in run.steps():
            report(step)
        return run.results()
