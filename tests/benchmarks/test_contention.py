"""The contention benchmark in small: one policy, one round, and what is recorded of them."""

from __future__ import annotations

import json

import pytest

from tests.support.benchmark_scripts import script

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def contention():
    with script("contention") as module:
        yield module


@pytest.mark.slow
def test_every_policy_is_measured_idle_and_beside_a_busy_program(contention, tmp_path, capsys):
    file = tmp_path / "contention.json"
    contention.main(
        [
            "--policies",
            "passive",
            "--threads",
            "1",
            "fitting",
            "--rounds",
            "1",
            "--tokens",
            "2",
            "--output",
            str(file),
        ]
    )
    record = json.loads(file.read_text())
    measured = {(one["policy"], one["threads"], one["condition"]): one for one in record["measured"]}
    assert set(measured) == {
        ("passive", threads, condition) for threads in (1, "fitting") for condition in ("idle", "contended")
    }
    for one in measured.values():
        seconds = one["prefill_seconds"]
        assert 0 < seconds["low"] <= seconds["median"] <= seconds["high"] and len(seconds["runs"]) == 1
        assert one["total_seconds"]["median"] > seconds["median"]
    assert record["policies"]["passive"] == contention.POLICIES["passive"] and record["busy_programs"] == 1
    assert len(record["machine"]["busy_cores_before_rounds"]) == 1
    assert "| passive | 1 |" in capsys.readouterr().out


def entry(policy: str, condition: str, seconds: float) -> dict:
    spread = {"median": seconds}
    return {
        "policy": policy,
        "threads": 2,
        "condition": condition,
        "prefill_seconds": spread,
        "decode_seconds_per_token": spread,
    }


def test_both_goals_are_judged_against_the_default_policy(contention):
    measured = [
        entry("default", "idle", 0.100),
        entry("default", "contended", 2.0),  # 20 times as long
        entry("passive", "idle", 0.120),  # a fifth slower than the default when idle
        entry("passive", "contended", 0.130),
        entry("spin-1000", "idle", 0.104),
        entry("spin-1000", "contended", 0.200),
    ]
    lines = contention.table(measured).splitlines()[2:]
    assert [line.rsplit("|", 2)[1].strip() for line in lines] == ["missed", "missed", "met"]
