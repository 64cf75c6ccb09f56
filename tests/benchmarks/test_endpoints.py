"""The endpoint benchmark against a served stand-in."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from tests.support.benchmark_scripts import script

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_calls_and_pairs_are_timed_and_recorded(app, tmp_path, monkeypatch, capsys):
    @contextmanager
    def started():
        yield app.address, 0

    file = tmp_path / "endpoints.json"
    with script("endpoints") as endpoints:
        monkeypatch.setattr(endpoints, "started", started)
        endpoints.main(["--repeats", "2", "--pairs", "1", "--tokens", "4", "--output", str(file)])
    record = json.loads(file.read_text())
    assert {"function", "run", "call"} <= set(record["cost"])
    assert all(len(one["runs"]) == 2 and one["low"] > 0 for one in record["cost"].values())
    pair = {name: one["median"] for name, one in record["pair"].items()}
    assert pair["seconds"] == pytest.approx(pair["timed_passes"] + pair["untimed_passes"] + pair["rest"])
    assert pair["timed_passes"] > 0
    assert "cost, run" in capsys.readouterr().out
