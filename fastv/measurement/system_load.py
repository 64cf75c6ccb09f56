"""The load that other processes put on the machine during a measurement, and the cores this process may use.

Only the system's own counters are read, before and after.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_QUOTAS = (
    Path("/sys/fs/cgroup/cpu.max"),
    Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


@dataclass
class OtherLoad:
    """The load from other processes during a block.

    Attributes
    ----------
    busy_cores : float or None
        Cores they kept busy on average; None until the block ends, and where the system does not tell. A virtual
        machine does not see the processes outside of it, only the time that was stolen from it, which counts as busy.
    """

    busy_cores: float | None = None


@contextmanager
def watch_load() -> Iterator[OtherLoad]:
    """Measure the load from other processes while the context is open."""
    load = OtherLoad()
    before = _counters()
    yield load
    after = _counters()
    if before and after and after[2] > before[2]:
        everything, own, seconds = (late - early for early, late in zip(before, after))
        load.busy_cores = max(0.0, (everything - own) / seconds)


def _counters() -> tuple[float, float, float] | None:
    """Busy seconds of all cores together, those of this process, and the time."""
    try:
        total, own = psutil.cpu_times(), psutil.Process().cpu_times()
    except (OSError, psutil.Error):
        return None
    idle = total.idle + getattr(total, "iowait", 0.0)
    # Guests' time is part of user time already.
    guests = getattr(total, "guest", 0.0) + getattr(total, "guest_nice", 0.0)
    return sum(total) - guests - idle, own.user + own.system, time.perf_counter()


def available_cores() -> tuple[float, int]:
    """Cores this process may use, by affinity and by its container's quota, and cores there are."""
    present = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else present
    quota = _quota()
    return min(float(affinity), quota) if quota else float(affinity), max(present, affinity)


def _quota() -> float | None:
    """A control group's limit in cores, version 1 or 2; None without one."""
    joint, used, period = _QUOTAS
    try:
        words = joint.read_text().split() if joint.is_file() else [used.read_text(), period.read_text()]
        micros, every = float(words[0]), float(words[1])
    except (OSError, ValueError, IndexError):  # "max" is no number: no limit
        return None
    return micros / every if micros > 0 and every > 0 else None
