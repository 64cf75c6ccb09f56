"""Who else was at work, and what share of the machine is ours."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest

from fastv.measurement import system_load

BUSY = "import time; end = time.time() + {seconds}\nwhile time.time() < end: pass"


def busy_cores(work) -> float:
    with system_load.watch_load() as seen:
        assert seen.busy_cores is None
        work()
    return seen.busy_cores


def test_another_program_shows():
    with subprocess.Popen([sys.executable, "-c", BUSY.format(seconds=3)]) as other:
        time.sleep(0.3)
        with_other = busy_cores(lambda: time.sleep(0.8))
        other.kill()
    assert with_other > 0.4


def test_ones_own_work_waiting_for_disks_and_guests_counted_twice_are_not_the_others(monkeypatch):
    Times = namedtuple("Times", "user system idle iowait guest guest_nice")
    Own = namedtuple("Own", "user system")
    totals = iter([Times(100, 10, 500, 7, 3, 0), Times(112, 12, 520, 17, 5, 0)])
    own, clock = iter([Own(50, 5), Own(57, 6)]), iter([1_000.0, 1_004.0])
    monkeypatch.setattr(system_load.psutil, "cpu_times", lambda: next(totals))
    monkeypatch.setattr(system_load.psutil, "Process", lambda: SimpleNamespace(cpu_times=lambda: next(own)))
    monkeypatch.setattr(system_load.time, "perf_counter", lambda: next(clock))
    assert busy_cores(lambda: None) == (14 - 8) / 4


def test_a_system_that_tells_nothing_is_no_zero(monkeypatch):
    def refused():
        raise OSError

    monkeypatch.setattr(system_load.psutil, "cpu_times", refused)
    assert busy_cores(lambda: None) is None


@pytest.mark.parametrize("content, cores", [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None)])
def test_a_containers_quota_counts(tmp_path, monkeypatch, content, cores):
    joint = tmp_path / "cpu.max"
    joint.write_text(content)
    monkeypatch.setattr(system_load, "_QUOTAS", (joint, *system_load._QUOTAS[1:]))
    monkeypatch.setattr(system_load.os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr(system_load.os, "cpu_count", lambda: 64)
    assert system_load.available_cores() == (cores or 4.0, 64)


def test_the_older_kind_of_quota_counts_too(tmp_path, monkeypatch):
    used, period = tmp_path / "quota", tmp_path / "period"
    used.write_text("50000\n"), period.write_text("100000\n")
    monkeypatch.setattr(system_load, "_QUOTAS", (tmp_path / "none", used, period))
    assert system_load.available_cores()[0] == 0.5
    used.write_text("-1\n")
    assert system_load.available_cores()[0] >= 1
