"""The estimate counts what is left, and grows with it."""

from __future__ import annotations

import pytest

from fastv.errors import InvalidInputError
from fastv.pruning.config import PruningConfig
from fastv.sweep import estimate as module
from fastv.sweep.datasets.base import Sample
from fastv.sweep.estimate import estimate
from fastv.sweep.run import SweepRun
from fastv.sweep.settings import SweepSettings

EARLY, LATE = PruningConfig("fastv", 1, 0.5), PruningConfig("fastv", 6, 0.5)


@pytest.fixture
def second(monkeypatch):
    """An answer without pruning that takes a second."""
    plain = module.generate

    def timed(*arguments, **settings):
        found = plain(*arguments, **settings)
        return type(found)(**{**vars(found), "total_seconds": 1.0})

    monkeypatch.setattr(module, "generate", timed)


def test_what_is_left_is_counted(mini, samples, tmp_path, second):
    path, settings = tmp_path / "sweep.jsonl", SweepSettings(answer_tokens=2, timed=2)
    with SweepRun(mini, samples, [EARLY, LATE], path, settings) as run:
        before = estimate(run)
        assert (before.questions, before.answers, before.timed_passes) == (4, 12, 6)
        assert 4 < before.answer_seconds < 12
        assert 2 < before.timing_seconds < 6 + 1
        assert before.seconds == before.answer_seconds + before.timing_seconds
        assert len(path.read_text().splitlines()) == 1
        for step in run.steps():
            if step.answered == step.questions and not step.timed:
                between = estimate(run)
        assert (between.questions, between.timed_passes) == (0, 6)
        after = estimate(run)
        assert (after.questions, after.answers, after.timed_passes, after.seconds) == (0, 0, 0, 0)


def test_a_late_cut_leaves_less_to_compute_in_a_branch_and_more_in_a_pass_of_its_own(mini, samples, tmp_path, second):
    made = []
    for config in (EARLY, LATE):
        settings = SweepSettings(answer_tokens=2, timed=4)
        with SweepRun(mini, samples, [config], tmp_path / f"{config.k}.jsonl", settings) as run:
            made.append(estimate(run))
    early, late = made
    assert late.answer_seconds < early.answer_seconds
    assert late.timing_seconds > early.timing_seconds


def test_where_nothing_can_be_asked_the_reason_is_told(mini, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with SweepRun(mini, [Sample(tmp_path / "broken.png", "How many?")], [EARLY], tmp_path / "a.jsonl") as run:
        with pytest.raises(InvalidInputError, match="not an image"):
            estimate(run)
