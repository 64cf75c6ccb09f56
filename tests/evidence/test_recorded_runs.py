"""The recorded runs of benchmarks/ are sound, and every benchmark starts."""

import json
from types import SimpleNamespace

import pytest

from tests.support.benchmark_scripts import BENCHMARKS, script


def recorded(name):
    return json.loads((BENCHMARKS / "measured" / f"{name}.json").read_text())


def test_the_recorded_load_was_served_as_it_should_be():
    record = recorded("load")
    crowd = json.loads(json.dumps(record["crowd"]), object_hook=lambda names: SimpleNamespace(**names))
    with script("load") as load:
        assert load.is_fine(crowd, record["soak"])


def test_small_machines_were_measured_in_every_precision():
    rows = recorded("edge")["rows"]
    assert len(rows) == 8
    assert {row["dtype"] for row in rows} == {"float32", "bfloat16", "8bit", "4bit"}
    assert not any(row["problem"] for row in rows)


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in BENCHMARKS.glob("*.py") if "def main(" in path.read_text(encoding="utf-8"))
)
def test_every_benchmark_starts(name):
    with script(name) as module:
        assert callable(module.main)
        assert f"python benchmarks/{name}.py" in module.__doc__
