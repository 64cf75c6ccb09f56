"""What else a machine was doing while something was measured on it, and how much of it this program may use.

Reads the system's own counters before and after, and does nothing in between.
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
class Neighbours:
    """busy_cores: how many cores other programs kept busy on average, None until the block that watched them ends (and
    where the system does not tell). A virtual machine sees none of the programs outside of it, only the time it was
    kept waiting for: that counts as busy.
    """

    busy_cores: float | None = None


@contextmanager
def watched() -> Iterator[Neighbours]:
    """Fills in the neighbours when the block ends."""
    neighbours = Neighbours()
    before = _counters()
    yield neighbours
    after = _counters()
    if before and after and after[2] > before[2]:
        everybody, own, seconds = (late - early for early, late in zip(before, after))
        neighbours.busy_cores = max(0.0, (everybody - own) / seconds)


def _counters() -> tuple[float, float, float] | None:
    """Seconds of work of all cores together, those of this program, and the time."""
    try:
        total, own = psutil.cpu_times(), psutil.Process().cpu_times()
    except (OSError, psutil.Error):
        return None
    idle = total.idle + getattr(total, "iowait", 0.0)
    # Guests' time is part of user time already.
    guests = getattr(total, "guest", 0.0) + getattr(total, "guest_nice", 0.0)
    return sum(total) - guests - idle, own.user + own.system, time.perf_counter()


def cores_given() -> tuple[float, int]:
    """How many cores this program may use, by affinity and by its container's quota, and how many there are."""
    there = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    quota = _quota()
    return min(float(affinity), quota) if quota else float(affinity), max(there, affinity)


def _quota() -> float | None:
    """A control group's limit in cores, of either version; None without one."""
    joint, used, period = _QUOTAS
    try:
        words = joint.read_text().split() if joint.is_file() else [used.read_text(), period.read_text()]
        micros, every = float(words[0]), float(words[1])
    except (OSError, ValueError, IndexError):  # "max" is no number: no limit
        return None
    return micros / every if micros > 0 and every > 0 else None
