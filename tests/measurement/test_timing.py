"""Measuring: the right clock readings are subtracted, the right bytes are counted, and the sides take turns."""

from __future__ import annotations

import pytest

from fastv import FastV
from fastv.costs.memory import kv_cache_bytes
from fastv.families.config_reader import read_shape
from fastv.measurement import timing as measure
from fastv.measurement.memory import peak_memory
from fastv.measurement.timing import Pass, Spread, Timing, interleaved
from fastv.worker import OutOfTime
from tests.support.standins import llava_inputs, tiny_llava


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
    with peak_memory(model):
        assert measure.generate(model, inputs, max_new_tokens=6, on_token=seen.append).tokens == expected
    assert seen == [expected[:count] for count in range(1, 7)]


def test_an_answer_is_greedy_whatever_the_checkpoint_says(model, inputs, monkeypatch):
    expected = measure.generate(model, inputs, max_new_tokens=12).tokens
    for name, value in (
        ("repetition_penalty", 30.0),
        ("no_repeat_ngram_size", 1),
        ("temperature", 9.0),
        ("num_beams", 3),
        ("guidance_scale", 1.5),
        ("cache_implementation", "static"),
        ("prompt_lookup_num_tokens", 2),
        ("max_length", 3),
        ("min_new_tokens", 9),
        ("num_return_sequences", 2),
        ("stop_strings", ["a"]),
    ):
        monkeypatch.setattr(model.generation_config, name, value)
        assert measure.generate(model, inputs, max_new_tokens=12).tokens == expected


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


def test_the_sides_take_turns_in_alternating_order_and_warm_up_runs_are_dropped():
    order = []

    def side(name):
        return lambda: order.append(name) or len(order)

    assert measure.interleaved([side("A"), side("B")], repeats=2, warmup=1) == [[4, 5], [3, 6]]
    assert "".join(order) == "ABBAAB"


@pytest.mark.parametrize("passes, rounds", [(4, 1), (5, 1), (6, 2), (99, 3)])
def test_time_that_runs_out_ends_with_whole_rounds(passes, rounds):
    """With one round of warm-up, of two sides."""
    left = iter(range(passes))

    def side():
        for number in left:
            return number
        raise OutOfTime

    one, other = interleaved([side, side], repeats=3, warmup=1)
    assert (one, other) == ([3, 4, 7][:rounds], [2, 5, 6][:rounds])


@pytest.mark.parametrize("passes", [0, 1, 2, 3])
def test_time_that_runs_out_before_a_round_is_timed_is_an_error(passes):
    left = iter(range(passes))

    def side():
        if next(left, None) is None:
            raise OutOfTime

    with pytest.raises(OutOfTime):
        interleaved([side, side], repeats=3, warmup=1)
