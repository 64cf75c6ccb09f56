"""Threads by load: one less for each core that others keep busy, never none, and afterwards as before."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
import torch

from fastv.measurement import thread_choice
from fastv.measurement.system_load import OtherLoad
from fastv.measurement.thread_choice import fitting, fitting_threads

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Sets how many cores there are, how many are ours, and how many others keep busy; four threads are usual."""

    def set_up(mine=4.0, present=4, busy: float | None = 0.0):
        @contextmanager
        def watched():
            load = OtherLoad()
            yield load
            load.busy_cores = busy

        monkeypatch.setattr(thread_choice, "available_cores", lambda: (mine, present))
        monkeypatch.setattr(thread_choice, "watch_load", watched)
        monkeypatch.setattr(thread_choice, "SAMPLE_SECONDS", 0)

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield set_up
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "mine, present, busy, threads",
    [
        (4.0, 4, 0.0, 4),
        (4.0, 4, 1.0, 3),
        (4.0, 4, 9.0, 1),  # never none
        (4.0, 4, 0.3, 4),  # a short flicker of others takes no core
        (2.0, 64, 20.0, 2),  # others have other cores
        (2.5, 3, 1.0, 2),
        (16.0, 16, 0.0, 4),  # never more than usual
        (4.0, 4, None, 4),  # a system that tells nothing
    ],
)
def test_threads_are_the_cores_that_are_free(machine, mine, present, busy, threads):
    machine(mine, present, busy)
    with fitting_threads(CPU):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 4


def test_busier_never_means_more_threads(machine):
    machine()
    chosen = [fitting(4, tenth / 10) for tenth in range(60)]
    assert chosen == sorted(chosen, reverse=True) and set(chosen) == {1, 2, 3, 4}


def test_they_come_back_after_an_error(machine):
    machine(busy=2.0)
    with pytest.raises(ZeroDivisionError), fitting_threads(CPU):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 4


def test_a_gpu_is_not_waited_for(machine, monkeypatch):
    machine(busy=3.0)
    monkeypatch.setattr(thread_choice, "watch_load", lambda: pytest.fail("looked at the load"))
    with fitting_threads(torch.device("cuda")):
        assert torch.get_num_threads() == 4


def test_runs_at_the_same_time_share_and_leave_the_usual_number(machine):
    """The second begins when the first has lowered torch's number already, and ends after it."""
    machine()
    first_left, second_in, seen = threading.Event(), threading.Event(), {}

    def second():
        with fitting_threads(CPU):
            seen["inside"] = torch.get_num_threads()
            second_in.set()
            first_left.wait(10)
        seen["after"] = torch.get_num_threads()

    with fitting_threads(CPU):
        other = threading.Thread(target=second)
        other.start()
        assert second_in.wait(10)
    first_left.set()
    other.join()
    assert seen == {"inside": 2, "after": 4} and torch.get_num_threads() == 4
