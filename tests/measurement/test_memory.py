"""Peak memory: every byte alive at once is counted, and counted once."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest
import torch

from fastv import METHODS
from fastv.measurement import memory as memory_module
from fastv.measurement.memory import peak_memory, weight_bytes
from fastv.measurement.timing import generate
from tests.support.standins import llava_inputs, tiny_llava

KILO = 1_000


@pytest.fixture(scope="module")
def model():
    return tiny_llava()


@pytest.fixture(scope="module")
def inputs():
    return llava_inputs()


def test_the_peak_is_that_of_all_gpus_a_model_lies_on(monkeypatch):
    """With a CUDA that is none: each GPU's allocator says what it had before, and at most."""
    before, most, reset = {0: 100, 1: 40}, {0: 130, 1: 90}, []
    weights = [SimpleNamespace(device=torch.device("cuda", number)) for number in (0, 1, 1)]
    monkeypatch.setattr(memory_module, "weight_bytes", lambda model: 140)
    for name, told in (
        ("synchronize", lambda gpu: None),
        ("memory_allocated", lambda gpu: before[gpu.index]),
        ("max_memory_allocated", lambda gpu: most[gpu.index]),
        ("reset_peak_memory_stats", lambda gpu: reset.append(gpu.index)),
    ):
        monkeypatch.setattr(torch.cuda, name, told)
    with peak_memory(SimpleNamespace(parameters=lambda: iter(weights))) as memory:
        assert sorted(reset) == [0, 1]
    assert memory.peak_bytes == 140 + 30 + 50


def test_shared_weights_count_once():
    first, second = torch.nn.Linear(10, 20, bias=False), torch.nn.Linear(10, 20, bias=False)
    both = torch.nn.Sequential(first, second)
    assert weight_bytes(both) == 2 * 800
    second.weight = first.weight
    first.register_buffer("table", torch.zeros(25))
    assert weight_bytes(both) == 800 + 100


@pytest.fixture
def weight():
    """A model of 4,000 bytes: one weight."""
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.ones(KILO), requires_grad=False)
    return model


def peak_beyond_weights(model, run) -> int:
    with peak_memory(model) as memory:
        run()
    return memory.peak_bytes - weight_bytes(model)


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
    with pytest.raises(ZeroDivisionError), peak_memory(weight) as memory:
        1 / 0
    assert memory.peak_bytes == 0
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()


def test_the_peak_is_the_same_each_time(model, inputs):
    def peak() -> int:
        with peak_memory(model) as memory:
            generate(model, inputs, max_new_tokens=3)
        return memory.peak_bytes

    gc.collect()
    assert peak() == peak() > weight_bytes(model)


@pytest.mark.parametrize("method", ["fastv", "random"])
def test_fastv_needs_no_more_memory_where_activations_are_what_counts(method):
    model = tiny_llava(layers=6, side=12)
    inputs = llava_inputs(side=12)

    def peak() -> int:
        with peak_memory(model) as memory:
            generate(model, inputs, max_new_tokens=3)
        return memory.peak_bytes

    baseline = peak()
    with METHODS[method](k=2, r=0.5)(model):
        assert peak() <= baseline
