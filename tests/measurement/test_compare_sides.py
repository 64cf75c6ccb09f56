"""Two sides of any kind: each is its own model at its own budget, and both models are held."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest
import torch

from fastv import FastV
from fastv.costs.flops import cost
from fastv.errors import InvalidBudgetError, InvalidInputError
from tests.support.compare_sides import compare, side_of
from tests.support.prompts import QUESTION, QUICK, inputs_of, noise, plain_answer, talkative
from tests.support.ranking_cost import ranking_flops


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return talkative(tmp_path_factory.mktemp("models") / "standin", seed=3)


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """Another model: more layers, wider, and sees larger pictures as more tokens."""
    return talkative(tmp_path_factory.mktemp("models") / "larger", seed=5, layers=6, width=48, side=6)


@pytest.fixture(scope="module")
def picture():
    return noise()


def test_each_side_is_its_own_model_at_its_own_budget(loaded, larger, picture):
    *_, result = compare(
        larger, picture, QUESTION, k=3, r=0.5, baseline=side_of(loaded, 1, 0.25), max_new_tokens=4, repeats=1
    )
    for side, model, k, r in ((result.baseline, loaded, 1, 0.25), (result.fastv, larger, 3, 0.5)):
        inputs = inputs_of(model, picture)
        with FastV(k=k, r=r)(model.model) as trace:
            assert side.answer == plain_answer(model, inputs, 4) != ""
        grid = int(len(trace.visual_positions[0]) ** 0.5)
        kept = torch.isin(trace.visual_positions[0], trace.kept[0]).view(grid, grid)
        assert side.kept == tuple(tuple(row) for row in kept.tolist()) and side.visual_tokens == int(kept.sum())
        assert side.prompt_tokens == inputs["input_ids"].shape[1]
        sizes = {"text_tokens": side.prompt_tokens - grid * grid, "visual_tokens": grid * grid, "answer_tokens": 4}
        own = ranking_flops(model.model.config, side.prompt_tokens, 1)
        expected = cost(model.model.config, k=k, r=r, method_flops=own, dtype="float32", **sizes)
        assert (side.prefill_flops, side.kv_cache_bytes) == (expected.prefill_flops, expected.kv_cache_bytes)
        assert (side.setup.model, side.setup.k, side.setup.r) == (model.entry.key, k, r)
        assert side.seen[0].picture.size == (14 * grid, 14 * grid)
        assert side.peak_bytes > sum(weight.nbytes for weight in model.model.parameters())
    assert result.baseline.peak_bytes < sum(
        weight.nbytes for model in (loaded, larger) for weight in model.model.parameters()
    )
    assert not loaded.lock.locked() and not larger.lock.locked()


def facts(run) -> dict:
    """All of a side but what varies from run to run."""
    return {name: value for name, value in run.to_dict().items() if "seconds" not in name and name != "timing"}


def test_sides_swapped_give_results_swapped(loaded, larger, picture):
    *_, one = compare(larger, picture, QUESTION, k=2, r=0.5, baseline=side_of(loaded), **QUICK)
    *_, other = compare(loaded, picture, QUESTION, k=None, baseline=side_of(larger, 2, 0.5), **QUICK)
    assert facts(one.fastv) == facts(other.baseline) and facts(one.baseline) == facts(other.fastv)
    assert one.fastv.answer != one.baseline.answer


@pytest.mark.parametrize("budget", [(), (2, 0.5), (1, 0.75, "random", 7)])
def test_the_same_on_both_sides_gives_the_same(loaded, picture, budget):
    k, *rest = budget or (None,)
    settings = dict(zip(("r", "method", "seed"), rest))
    *_, result = compare(loaded, picture, QUESTION, k=k, baseline=side_of(loaded, *budget), **settings, **QUICK)
    assert facts(result.baseline) == facts(result.fastv)


def test_the_same_model_without_fastv_is_what_is_compared_with_unless_said(loaded, picture):
    *_, said = compare(loaded, picture, QUESTION, k=2, r=0.5, baseline=side_of(loaded), **QUICK)
    *_, unsaid = compare(loaded, picture, QUESTION, k=2, r=0.5, **QUICK)
    assert facts(said.baseline) == facts(unsaid.baseline) and facts(said.fastv) == facts(unsaid.fastv)


def test_each_side_says_in_json_what_it_was_and_the_candidate_at_the_top(loaded, larger, picture):
    *_, made = compare(larger, picture, QUESTION, k=2, r=0.5, baseline=side_of(loaded), **QUICK)
    result = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    none = dict.fromkeys(("k", "r", "method", "seed"))
    assert {"model": loaded.entry.key, "dtype": "float32", **none}.items() <= result["baseline"].items()
    fastv = {"model": larger.entry.key, "k": 2, "r": 0.5, "method": "fastv", "seed": 0}
    assert fastv.items() <= result["fastv"].items() and fastv.items() <= result.items()
    assert result["kept"] == result["fastv"]["kept"] and len(result["kept"]) == 6
    assert result["baseline"]["kept"] == [[True] * 4] * 4


@pytest.mark.parametrize("side", [(4, 0.5), (2, 1.5), (2, 0.5, "best")])
def test_a_side_the_model_cannot_be_is_refused(loaded, side):
    with pytest.raises(InvalidBudgetError):
        side_of(loaded, *side)


def test_what_is_special_to_either_model_is_refused(loaded, larger, picture):
    tokenizer = larger.processor.tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": ["<own>"]})
    for candidate, other in ((loaded, larger), (larger, loaded)):
        with pytest.raises(InvalidInputError, match="<own>"):
            compare(candidate, picture, "what is <own> ?", baseline=side_of(other))


def test_both_models_are_held_while_the_sides_run(loaded, larger, picture):
    for held in (loaded, larger):
        with held.lock:
            waiting = compare(larger, picture, QUESTION, baseline=side_of(loaded), **QUICK)
            assert next(waiting).stage == "waiting"
            time.sleep(0.1)
            waiting.close()
        assert not loaded.lock.locked() and not larger.lock.locked()
    running = compare(larger, picture, QUESTION, baseline=side_of(loaded), max_new_tokens=30)
    next(item for item in running if item.stage == "baseline")
    assert loaded.lock.locked() and larger.lock.locked()
    running.close()
    assert not loaded.lock.locked() and not larger.lock.locked()


class Noted:
    """A lock that notes when it is taken."""

    def __init__(self, taken: list):
        self.taken, self.lock = taken, threading.Lock()

    def acquire(self, timeout: float) -> bool:
        got = self.lock.acquire(timeout=timeout)
        if got:
            self.taken.append(self)
        return got

    def release(self) -> None:
        self.lock.release()


def test_the_models_are_taken_in_the_same_order_whichever_side_they_are(loaded, larger, picture):
    taken = []
    one, other = (replace(model, lock=Noted(taken)) for model in (loaded, larger))
    for candidate, baseline in ((one, other), (other, one), (one, one)):
        list(compare(candidate, picture, QUESTION, baseline=side_of(baseline), max_new_tokens=1, repeats=1))
    assert taken[:2] == taken[2:4] and set(taken[:2]) == {one.lock, other.lock} and taken[4:] == [one.lock]


@pytest.mark.slow
def test_two_duels_the_other_way_round_do_not_wait_for_each_other(loaded, larger, picture):
    finished = []

    def run(candidate, other):
        for _ in range(3):
            finished.append(
                list(compare(candidate, picture, QUESTION, baseline=side_of(other), max_new_tokens=1, repeats=1))[-1]
            )

    threads = [threading.Thread(target=run, args=sides, daemon=True) for sides in ((loaded, larger), (larger, loaded))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(finished) == 6
