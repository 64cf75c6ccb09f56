"""An untimed answer is the one a comparison gives, with the same tokens kept and the same costs."""

from __future__ import annotations

import threading

import pytest

from fastv.errors import InvalidInputError
from fastv.measurement.results import Side
from fastv.measurement.single_pass import answer_once
from fastv.pruning.config import PruningConfig
from fastv.worker import Stopped
from tests.support.compare_sides import compare
from tests.support.prompts import QUESTION, noise, talkative


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return talkative(tmp_path_factory.mktemp("models") / "standin", seed=3)


def test_it_is_what_a_comparison_says(loaded):
    picture = noise()
    *_, whole = compare(loaded, picture, QUESTION, k=2, r=0.5, max_new_tokens=5, repeats=1)
    for result, pruning in ((whole.baseline, None), (whole.fastv, PruningConfig("fastv", 2, 0.5))):
        once = answer_once(Side(loaded, pruning), picture, QUESTION, max_new_tokens=5)
        assert (once.setup, once.answer, once.kv_cache_bytes, once.prefill_flops) == (
            result.setup,
            result.answer,
            result.kv_cache_bytes,
            result.prefill_flops,
        )
        assert once.seen[0].kept == result.seen[0].kept
    assert not loaded.lock.locked()


def test_it_waits_for_the_model_and_can_be_stopped_meanwhile(loaded):
    with loaded.lock, pytest.raises(Stopped):
        answer_once(Side(loaded), noise(), QUESTION, max_new_tokens=2, stopped=lambda: True)
    threading.Timer(0.2, loaded.lock.release).start()
    loaded.lock.acquire()
    assert answer_once(Side(loaded), noise(), QUESTION, max_new_tokens=2).answer


def test_a_bad_question_is_refused(loaded):
    with pytest.raises(InvalidInputError):
        answer_once(Side(loaded), noise(), " ", max_new_tokens=2)
