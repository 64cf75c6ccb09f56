"""Measuring: the right clock readings are subtracted, the right bytes are counted, and the sides take turns."""

from __future__ import annotations

import gc
import statistics
from types import SimpleNamespace

import pytest
import torch

from fastv import FastV
from fastv.costs.memory import kv_cache_bytes
from fastv.families.config_reader import read_shape
from fastv.measurement import timing as measure
from fastv.measurement.timing import Pass, Spread, Timing
from tests.support.standins import llava_inputs, tiny_llava

KILO = 1_000
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    return tiny_llava()


@pytest.fixture
def clock(monkeypatch):
    """A clock that shows 1, 2, 3, ... seconds, one more each time it is read."""
    readings = iter(range(1, 10**6))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: float(next(readings)))


def plain_tokens(model, inputs, count: int) -> tuple[int, ...]:
    output = model.generate(**inputs, max_new_tokens=count, do_sample=False)
    return tuple(output[0, inputs["input_ids"].shape[1] :].tolist())


@pytest.fixture(scope="module")
def inputs(model):
    """Of a prompt whose greedy answer has no end in sight."""
    return next(inputs for seed in range(20) if len(plain_tokens(model, inputs := llava_inputs(seed=seed), 6)) == 6)


def test_the_spread_of_runs():
    assert Spread.of(iter([3.0, 1.0, 2.0, 9.0])) == Spread(2.5, 1.0, 9.0, (3.0, 1.0, 2.0, 9.0))


def test_a_timing_keeps_prefill_and_decode_apart():
    passes = [
        Pass((5, 6, 7), prefill, step, total, 10)
        for prefill, step, total in ((2.0, 0.1, 2.2), (3.0, 0.3, 3.6), (9.0, 0.2, 9.4))
    ]
    timing = Timing.of(passes)
    assert (timing.prefill_seconds.median, timing.decode_seconds_per_token.median) == (3.0, 0.2)
    assert (timing.total_seconds.low, timing.total_seconds.high) == (2.2, 9.4)
    assert Timing.of([Pass((5,), 2.0, None, 2.0, 10)]).decode_seconds_per_token is None


def test_each_token_is_one_reading_of_the_clock(model, clock, inputs):
    answer = measure.generate(model, inputs, max_new_tokens=6)
    assert (answer.prefill_seconds, answer.decode_seconds_per_token, answer.total_seconds) == (1.0, 1.0, 6.0)


def test_a_single_token_has_no_decode_time(model, clock, inputs):
    answer = measure.generate(model, inputs, max_new_tokens=1)
    assert (answer.prefill_seconds, answer.decode_seconds_per_token, answer.total_seconds) == (1.0, None, 1.0)


def test_measuring_does_not_change_the_answer(model, inputs):
    expected = plain_tokens(model, inputs, 6)
    seen = []
    with measure.peak_memory(model):
        assert measure.generate(model, inputs, max_new_tokens=6, on_token=seen.append).tokens == expected
    assert seen == [expected[:count] for count in range(1, 7)]


def test_an_answer_is_greedy_whatever_the_checkpoint_says(model, inputs, monkeypatch):
    expected = measure.generate(model, inputs, max_new_tokens=12).tokens
    for name, value in (
        ("repetition_penalty", 30.0),
        ("no_repeat_ngram_size", 1),
        ("temperature", 9.0),
        ("num_beams", 3),
    ):
        monkeypatch.setattr(model.generation_config, name, value)
        assert measure.generate(model, inputs, max_new_tokens=12).tokens == expected


def test_the_peak_is_that_of_all_gpus_a_model_lies_on(monkeypatch):
    """With a CUDA that is none: each GPU's allocator says what it had before, and at most."""
    before, most, reset = {0: 100, 1: 40}, {0: 130, 1: 90}, []
    weights = [SimpleNamespace(device=torch.device("cuda", number)) for number in (0, 1, 1)]
    monkeypatch.setattr(measure, "weight_bytes", lambda model: 140)
    for name, told in (
        ("synchronize", lambda gpu: None),
        ("memory_allocated", lambda gpu: before[gpu.index]),
        ("max_memory_allocated", lambda gpu: most[gpu.index]),
        ("reset_peak_memory_stats", lambda gpu: reset.append(gpu.index)),
    ):
        monkeypatch.setattr(torch.cuda, name, told)
    with measure.peak_memory(SimpleNamespace(parameters=lambda: iter(weights))) as memory:
        assert sorted(reset) == [0, 1]
    assert memory.peak_bytes == 140 + 30 + 50


def test_an_answer_ends_at_its_end_token(model, inputs):
    third = plain_tokens(model, inputs, 3)[2]
    saved, model.generation_config.eos_token_id = model.generation_config.eos_token_id, third
    try:
        answer = measure.generate(model, inputs, max_new_tokens=6)
    finally:
        model.generation_config.eos_token_id = saved
    assert answer.tokens[-1] == third and len(answer.tokens) <= 3


def test_stopping_ends_the_answer_after_the_token_being_made(model, inputs):
    seen = []
    answer = measure.generate(model, inputs, max_new_tokens=6, on_token=seen.append, stopped=lambda: len(seen) == 2)
    assert len(answer.tokens) == 2


@pytest.mark.parametrize("k, r", [(None, 0.0), (2, 0.5), (0, 0.75), (3, 1.0)])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_cache_bytes_are_those_of_the_formula(k, r, kv_heads):
    model = tiny_llava(kv_heads=kv_heads)
    inputs = llava_inputs()
    if k is None:
        answer = measure.generate(model, inputs, max_new_tokens=4)
    else:
        with FastV(k=k, r=r)(model):
            answer = measure.generate(model, inputs, max_new_tokens=4)
    prompt, steps = inputs["input_ids"].shape[1], len(answer.tokens) - 1
    early = 4 if k is None else k
    lengths = (prompt + steps,) * early + (prompt - round(16 * r) + steps,) * (4 - early)
    assert answer.kv_cache_bytes == kv_cache_bytes(read_shape(model.config).decoder, lengths, "float32")


def test_the_sides_take_turns_and_warm_up_runs_are_dropped():
    order = []

    def side(name):
        return lambda: order.append(name) or len(order)

    assert measure.interleaved([side("A"), side("B")], repeats=2, warmup=1) == [[3, 5], [4, 6]]
    assert "".join(order) == "ABABAB"


def test_seconds_of_a_module_are_taken_in_the_block_alone(clock):
    layer = torch.nn.Linear(2, 2)
    with measure.seconds_of(layer, CPU) as seconds:
        layer(torch.ones(2))
        layer(torch.ones(2))
    layer(torch.ones(2))
    assert seconds == [1.0, 1.0]
    assert not layer._forward_hooks and not layer._forward_pre_hooks


def test_shared_weights_count_once():
    first, second = torch.nn.Linear(10, 20, bias=False), torch.nn.Linear(10, 20, bias=False)
    both = torch.nn.Sequential(first, second)
    assert measure.weight_bytes(both) == 2 * 800
    second.weight = first.weight
    first.register_buffer("table", torch.zeros(25))
    assert measure.weight_bytes(both) == 800 + 100


@pytest.fixture
def weight():
    """A model of 4,000 bytes: one weight."""
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.ones(KILO), requires_grad=False)
    return model


def peak_beyond_weights(model, run) -> int:
    with measure.peak_memory(model) as memory:
        run()
    return memory.peak_bytes - measure.weight_bytes(model)


def test_what_is_alive_at_once_counts_and_what_was_freed_does_not(weight):
    def run():
        first = weight.weight + 1
        second = first * 2
        del first
        return second + 1

    assert peak_beyond_weights(weight, run) == 2 * 4 * KILO


def test_views_and_changes_in_place_take_no_memory(weight):
    def run():
        copy = weight.weight.clone()
        views = copy.view(10, 100).t(), copy[:5], weight.weight[3:]
        copy.add_(1)
        return views

    assert peak_beyond_weights(weight, run) == 4 * KILO


def test_a_view_keeps_its_whole_memory_alive(weight):
    def run():
        part = (weight.weight + 1)[:1]
        return part, weight.weight + 2

    assert peak_beyond_weights(weight, run) == 2 * 4 * KILO


def test_what_was_there_before_does_not_count(weight):
    before = torch.ones(KILO)
    assert peak_beyond_weights(weight, lambda: before.view(-1).mul_(2)) == 0


def test_an_error_leaves_nothing_switched_on(weight):
    with pytest.raises(ZeroDivisionError), measure.peak_memory(weight) as memory:
        1 / 0
    assert memory.peak_bytes == 0
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()


def test_the_peak_is_the_same_each_time(model, inputs):
    def peak() -> int:
        with measure.peak_memory(model) as memory:
            measure.generate(model, inputs, max_new_tokens=3)
        return memory.peak_bytes

    gc.collect()
    assert peak() == peak() > measure.weight_bytes(model)


@pytest.mark.parametrize("rank", ["last_token", "random"])
def test_fastv_needs_no_more_memory_where_activations_are_what_counts(rank):
    model = tiny_llava(layers=6, side=12)
    inputs = llava_inputs(side=12)

    def peak() -> int:
        with measure.peak_memory(model) as memory:
            measure.generate(model, inputs, max_new_tokens=3)
        return memory.peak_bytes

    baseline = peak()
    with FastV(k=2, r=0.5, rank=rank)(model):
        assert peak() <= baseline


def test_the_machine_names_itself():
    here = measure.Machine.here(CPU)
    assert here.device and here.threads == torch.get_num_threads() and here.torch == torch.__version__


def test_time_inside_a_module_is_what_its_functions_take_with_all_they_call():
    with measure.seconds_inside(statistics) as inside:
        sorted(range(200_000), key=lambda number: -number)
    with measure.seconds_inside(statistics) as more:
        statistics.median(range(200_000))
    assert inside == [0] and more[0] > 0
