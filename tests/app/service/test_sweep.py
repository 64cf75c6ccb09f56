"""A sweep under the run policy: limits, an end in between, and going on."""

from __future__ import annotations

import pytest
from PIL import Image

from fastv.app.hosting.settings import Settings
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.service.sweep import SweepRequest, estimate_sweep, run_sweep
from fastv.errors import FastVError
from fastv.loading.load import load
from fastv.pruning.config import PruningConfig
from fastv.sweep.datasets.base import BadRow, Dataset, Sample
from tests.support.standins import save_llava_checkpoint


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "standin"
    save_llava_checkpoint(folder, seed=3)
    return ModelPool(load(str(folder)))


@pytest.fixture
def request_(tmp_path, pool):
    samples = []
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (60, 56), colour).save(tmp_path / f"{colour}.png")
        samples.append(Sample(tmp_path / f"{colour}.png", f"how many {number} ?", ("red",)))
    dataset = Dataset(tuple(samples), (BadRow(4, "no image"),))
    settings = (PruningConfig("fastv", 2, 0.5),), (PruningConfig("random", 2, 0.5),)
    return SweepRequest(pool.default, dataset, *settings, 0.05, tmp_path / "visit")


LIMITS = Settings(log="none", answer_tokens=2)


def test_it_ends_with_tables_and_a_recommendation(pool, request_):
    *_, last = run_sweep(request_, pool, RunPolicy(LIMITS))
    assert (last.step.answered, last.step.timed, last.timed_out) == (3, 3, False)
    assert [row["method"] for row in last.found["rows"]] == [None, "fastv", "random"]
    assert last.found["recommendation"]["sentence"] and last.found["recommendation"]["tolerance"] == 0.05
    assert str(request_.folder) not in str(last.found) and len(last.found["bad_rows"]) == 1


def test_a_sweep_that_was_ended_goes_on(pool, request_):
    steps = run_sweep(request_, pool, RunPolicy(LIMITS))
    while next(steps).step.answered < 2:
        pass
    steps.close()
    first = next(again := run_sweep(request_, pool, RunPolicy(LIMITS)))
    assert first.step.answered == 2
    *_, last = again
    assert last.step.answered == 3
    assert estimate_sweep(request_, pool, RunPolicy(LIMITS)).seconds == 0


def test_nothing_follows_once_it_is_unwanted(pool, request_):
    assert list(run_sweep(request_, pool, RunPolicy(LIMITS), unwanted=lambda: True)) == []


def test_the_time_limit_ends_it_with_what_there_is(pool, request_, monkeypatch):
    seconds = iter(range(0, 10_000, 3))
    monkeypatch.setattr("fastv.app.service.sweep.time.monotonic", lambda: float(next(seconds)))
    *_, last = run_sweep(request_, pool, RunPolicy(Settings(log="none", answer_tokens=2, run_seconds=10)))
    assert last.timed_out and 0 < last.step.answered < 3


def test_it_counts_as_a_run_and_is_estimated_without_writing(pool, request_):
    found = estimate_sweep(request_, pool, RunPolicy(LIMITS))
    assert (found.questions, found.answers, found.timed_passes) == (3, 9, 9)
    assert next(run_sweep(request_, pool, RunPolicy(LIMITS))).step.answered == 0


def test_where_gpus_are_for_comparisons_alone_it_is_refused(pool, request_):
    with pytest.raises(FastVError):
        next(run_sweep(request_, pool, RunPolicy(LIMITS, execute=lambda *_, **__: iter(()))))
    next(run_sweep(request_, pool, RunPolicy(LIMITS)))  # nothing stays locked
