"""The methods' benchmark with a tiny model: every method has an entry, with shares of two prefills."""

from __future__ import annotations

import json

import pytest

from fastv import METHODS
from tests.support.benchmark_scripts import script

pytestmark = pytest.mark.slow


def test_every_method_is_measured_or_refused_with_its_reason(tmp_path, capsys):
    file = tmp_path / "methods.json"
    small = ["--width", "128", "--layers", "8", "--visual", "16", "--text", "8", "--threads", "1", "--repeats", "1"]
    with script("methods") as methods:
        methods.main([*small, "--pictures", "1", "2", "--record", str(file)])
    record = json.loads(file.read_text())
    assert [row["visual_tokens"] for row in record["rows"]] == [16, 32]
    for row in record["rows"]:
        assert [entry["method"] for entry in row["methods"]] == list(METHODS)
        measured = [entry for entry in row["methods"] if "refused" not in entry]
        assert {"fastv", "random", "divprune"} <= {entry["method"] for entry in measured}
        for entry in measured:
            assert 0 < entry["own"]["median"] < entry["prefill"]["median"]
            of_baseline = entry["own"]["median"] / row["baseline"]["median"]
            assert entry["share_of_baseline"]["median"] == pytest.approx(of_baseline)
            assert entry["share"]["median"] == pytest.approx(entry["own"]["median"] / entry["prefill"]["median"])
        assert {entry["goal"] for entry in measured} == {0.01, 0.05}
    assert "divprune" in capsys.readouterr().out
