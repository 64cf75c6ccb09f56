"""Advice names a setting within the loss, the one that saves most of those, and none where the best saves little."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fastv.costs.configs import known, shape_of
from fastv.costs.memory import parameter_bytes
from fastv.costs.roofline import capacity, devices, memory_bytes
from fastv.costs.solver import Workload
from fastv.errors import InvalidInputError
from fastv.evidence.advice_text import sentences
from fastv.evidence.adviser import WORTH, advise, effect_of, known_losses
from fastv.evidence.measurements import measured
from fastv.evidence.published import table1

SERVER = Workload(36, 576, 64, 1, "float16", 16)
A100 = devices()["a100-80g"]


def advice(model: str, may_lose: float, workload: Workload = SERVER):
    return advise(model, shape_of(model), workload, A100, may_lose)


@pytest.mark.parametrize("model", ["llava-1.5-7b", "llava-1.5-13b", "mini-7", "mini-13"])
@pytest.mark.parametrize("may_lose", [0.0, 0.5, 1.0, 3.0, 100.0])
def test_no_known_setting_within_the_loss_saves_more(model, may_lose):
    found = advice(model, may_lose)
    within = [loss for loss in known_losses(model) if loss.is_within(may_lose)]
    assert (found.loss is None) == (not within)
    for loss in within:
        effect = effect_of(model, shape_of(model), SERVER, A100, loss)
        assert effect.answer_saving <= found.effect.answer_saving
    if found.loss is not None:
        assert found.loss in within


@pytest.mark.parametrize("model", ["llava-1.5-13b", "mini-7"])
def test_more_to_lose_never_saves_less(model):
    savings = [
        found.effect.answer_saving if (found := advice(model, points)).effect else 0.0
        for points in (0, 0.5, 1, 2, 5, 20)
    ]
    assert savings == sorted(savings)


def test_losses_are_those_of_the_sources():
    table = [row for row in table1() if row.model == "llava-1.5-13b"]
    plain = next(row for row in table if row.k is None)
    published = {(loss.k, loss.r): loss.points for loss in known_losses("llava-1.5-13b")}
    assert published == {
        (row.k, row.r): pytest.approx(plain.average - row.average) for row in table if row.k is not None
    }
    record = measured("mini-7")
    for loss, point in zip(known_losses("mini-7"), record.pruned, strict=True):
        change = record.change(point)
        assert (loss.k, loss.r, loss.method) == (point.k, point.r, point.method)
        assert loss.points == pytest.approx(-100 * change.share)
        assert loss.most > -100 * change.low  # one of many is picked by it: wider than the interval of one alone


def test_what_saves_under_a_twentieth_is_not_worth_it():
    alone = replace(SERVER, batch=1, answer_tokens=1024)  # decoding dominates, and pruning changes it hardly
    found = advice("llava-1.5-7b", 3.0, alone)
    assert found.kind == "not worth it" and found.effect.answer_saving < WORTH
    many = advice("llava-1.5-7b", 3.0, replace(alone, batch=16))  # more of them fit at once
    assert many.kind == "use" and many.effect.more_requests >= WORTH


def test_nothing_is_named_where_nothing_is_known():
    unknown = [model for model in known() if not list(known_losses(model))]
    assert unknown and all(advice(model, 5.0).kind == "unknown" for model in unknown)
    assert advice("mini-7", 0.0).kind == "none within"


def test_published_times_stand_beside_the_bound_for_one_prompt_at_a_time():
    found = advice("llava-1.5-13b", 1.0, replace(SERVER, batch=1))
    assert (found.loss.k, found.loss.r) == (2, 0.75)
    assert found.effect.published_first_token_seconds == (0.203, 0.124)
    assert found.effect.published_saving < found.effect.first_token_saving
    assert advice("llava-1.5-13b", 1.0).effect.published_first_token_seconds is None


@pytest.mark.parametrize("k, r", [(None, 0.0), (2, 0.5)])
def test_so_many_requests_fit_and_no_more(k, r):
    shape = shape_of("llava-1.5-7b")
    fit = capacity(shape, SERVER, A100, k, r)

    def needed(batch: int) -> int:
        workload = replace(SERVER, batch=batch)
        return memory_bytes(shape, workload, workload.cost(shape, k, r, "exact"))

    assert needed(fit) <= A100.memory_bytes < needed(fit + 1)
    assert capacity(shape, SERVER, replace(A100, memory_bytes=parameter_bytes(shape, "float16") - 1), k, r) == 0


@pytest.mark.parametrize("may_lose", [-1, 101, float("nan"), "much"])
def test_points_that_are_none_are_refused(may_lose):
    with pytest.raises(InvalidInputError):
        advice("llava-1.5-7b", may_lose)


@pytest.mark.parametrize("model, may_lose", [("llava-1.5-13b", 1), ("mini-7", 0), ("mini-13", 3), ("qwen2-vl-7b", 3)])
def test_every_kind_of_advice_can_be_told(model, may_lose):
    assert all(sentences(model, advice(model, may_lose), "A100", 16, may_lose))
