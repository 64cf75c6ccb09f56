"""Threads for a run on the processor: one less than usual for each core that other programs keep busy.

OpenMP's threads spin while they wait for each other. With a core for each that is the fastest way; beside another busy
program a thread spins for a partner that has no core to run on, and an answer takes several times as long
(``benchmarks/contention.py``). So what else runs is looked at before each run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fastv.measurement.system_load import available_cores, watch_load

SAMPLE_SECONDS = 0.05  # the system counts in hundredths of a second

_lock = threading.Lock()
_runs = 0  # inside fitting_threads now
_usual = 1  # threads outside of it


@contextmanager
def fitting_threads(device: torch.device) -> Iterator[None]:
    """Let torch use as many threads as there are free cores while the context is open.

    At most as many as torch uses outside of it, at least one. On other devices than the processor nothing is done.
    Several runs may be open at once, in threads of their own: each is given an equal part.
    """
    if device.type != "cpu":
        yield
        return
    global _runs, _usual
    with _lock:
        if _runs == 0:
            _usual = torch.get_num_threads()
        _runs += 1
        runs = _runs
    try:
        if _usual > 1:
            with watch_load() as others:
                time.sleep(SAMPLE_SECONDS)
            torch.set_num_threads(fitting(_usual, others.busy_cores or 0.0, runs))
        yield
    finally:
        with _lock:
            _runs -= 1
        torch.set_num_threads(_usual)


def fitting(usual: int, busy_cores: float, runs: int = 1) -> int:
    """How many threads fit beside other programs.

    Parameters
    ----------
    usual
        The most to use.
    busy_cores
        Cores that other processes keep busy. They may be any of the machine's cores, also those that this process may
        not use.
    runs
        Runs of this process that share what is free.
    """
    mine, present = available_cores()
    free = min(mine, present - busy_cores) / runs
    return max(1, min(usual, round(free)))
