"""Seconds inside a module are those of its own calls."""

from __future__ import annotations

import statistics

import torch

from fastv.measurement import profiling, timing
from fastv.measurement.profiling import seconds_inside, seconds_of

CPU = torch.device("cpu")


def test_seconds_of_a_module_are_taken_in_the_block_alone(monkeypatch):
    readings = iter(range(1, 100))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(readings)))
    layer = torch.nn.Linear(2, 2)
    with seconds_of(layer, CPU) as seconds:
        layer(torch.ones(2))
        layer(torch.ones(2))
    layer(torch.ones(2))
    assert seconds == [1.0, 1.0]
    assert not layer._forward_hooks and not layer._forward_pre_hooks


def test_time_inside_a_module_is_what_its_functions_take_with_all_they_call():
    with seconds_inside(statistics) as inside:
        sorted(range(200_000), key=lambda number: -number)
    with seconds_inside(statistics) as more:
        statistics.median(range(200_000))
    assert inside == [0] and more[0] > 0


def test_functions_called_through_others_count_once(monkeypatch):
    """As a module of torch calls what was put in the place of its forward."""
    seconds = iter(range(100))
    monkeypatch.setattr(profiling, "perf_counter", lambda: float(next(seconds)))
    with seconds_inside(statistics) as inside:
        statistics.median(sorted([3, 1, 2]))
        statistics.mean([1, 2])
    assert inside == [2.0]  # two calls from outside, a second each
    with seconds_inside(statistics) as inside:
        statistics.correlation([1, 2, 3], Reading([1, 2, 4]))
    assert inside == [1.0]


class Reading(list):
    """Asks the module that reads it for its median."""

    def __iter__(self):
        assert statistics.median([1, 2, 3]) == 2
        return super().__iter__()
