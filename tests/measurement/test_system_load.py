"""Who else was at work, and what share of the machine is ours."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest

from fastv.measurement import system_load
from fastv.measurement.timing import Machine, interleaved
from fastv.worker import OutOfTime

BUSY = "import time; end = time.time() + {seconds}\nwhile time.time() < end: pass"


def busy_cores(work) -> float:
    with system_load.watched() as seen:
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
    assert system_load.cores_given() == (cores or 4.0, 64)


def test_the_older_kind_of_quota_counts_too(tmp_path, monkeypatch):
    used, period = tmp_path / "quota", tmp_path / "period"
    used.write_text("50000\n"), period.write_text("100000\n")
    monkeypatch.setattr(system_load, "_QUOTAS", (tmp_path / "none", used, period))
    assert system_load.cores_given()[0] == 0.5
    used.write_text("-1\n")
    assert system_load.cores_given()[0] >= 1


def test_the_share_is_said_in_words():
    base = ("Some CPU", 2, "3.12", "2.8", "5.23")
    assert Machine(*base).share == ""
    assert Machine(*base, 2.0, 64, 0.01).share == ", 2 of 64 cores; no other program was at work meanwhile"
    assert "kept 1.3 cores busy" in Machine(*base, 1.5, 64, 1.26).share


@pytest.mark.parametrize("passes, rounds", [(4, 1), (5, 1), (6, 2), (99, 3)])
def test_time_that_runs_out_ends_with_whole_rounds(passes, rounds):
    """With one round of warm-up, of two sides."""
    left = iter(range(passes))

    def side():
        for number in left:
            return number
        raise OutOfTime

    one, other = interleaved([side, side], repeats=3, warmup=1)
    assert (one, other) == ([2, 4, 6][:rounds], [3, 5, 7][:rounds])


@pytest.mark.parametrize("passes", [0, 1, 2, 3])
def test_time_that_runs_out_before_a_round_is_timed_is_an_error(passes):
    left = iter(range(passes))

    def side():
        if next(left, None) is None:
            raise OutOfTime

    with pytest.raises(OutOfTime):
        interleaved([side, side], repeats=3, warmup=1)
