from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from fastv.evidence import measurements
from fastv.evidence.measurements import fingerprint, packed, parsed, unpacked
from fastv.families.catalogue import find
from fastv.stats import Change, Score
from tests.support.recorded_runs import record


@pytest.mark.parametrize("count", [1, 3, 4, 5, 64, 999, 1000])
def test_marks_come_back_as_they_were(count):
    rng = random.Random(count)
    marks = tuple(rng.random() < 0.7 for _ in range(count))
    assert unpacked(packed(marks), count) == marks
    assert unpacked(packed([False] * count), count) == (False,) * count
    with pytest.raises(ValueError, match="digits"):
        unpacked(packed(marks) + "0", count)


def test_scores_and_changes_follow_from_the_marks():
    found = parsed(record("mini-7"))
    point, before = found.point(2, 0.5), found.unpruned
    assert found.score(point) == Score.of(point.marks) and found.change(point) == Change.of(before.marks, point.marks)
    where = [mark for mark, task in zip(point.marks, found.tasks) if task == "where"]
    assert found.score(point, "where") == Score.of(where) and 0 < len(where) < len(point.marks)
    assert found.change(before).share == 0 and found.point(0, 0.5) == found.point(0, 0.5, "fastv_mean")
    assert found.point(3, 0.5) is None and found.point(None, 0.0) is before and before not in found.pruned
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.k = 3


def test_every_file_of_the_folder_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    measurements._all_of.cache_clear()
    try:
        assert measurements.all_measured() == {} and measurements.measured("mini-7") is None
        for name in ("mini-7", "mini-13"):
            (tmp_path / f"{name}.json").write_text(json.dumps(record(name)))
        measurements._all_of.cache_clear()
        assert set(measurements.all_measured()) == {"mini-7", "mini-13"}
        assert measurements.measured("mini-13").model == "mini-13" and measurements.measured("llava-1.5-7b") is None
        (tmp_path / "mini-7.json").write_text(json.dumps(record("mini-7") | {"points": [{"k": 1}]}))
        measurements._all_of.cache_clear()
        with pytest.raises(ValueError, match="mini-7.json"):
            measurements.all_measured()
    finally:
        measurements._all_of.cache_clear()


def test_files_are_json_lines_or_one_object_and_may_end_within_a_line(tmp_path):
    whole = record("mini-7")
    header, points = {name: value for name, value in whole.items() if name != "points"}, whole["points"]
    lines = [json.dumps(line) for line in (header, *points)]
    (tmp_path / "old.json").write_text(json.dumps(whole, indent=1))
    assert measurements.read_document(tmp_path / "old.json") == whole
    for count in range(1, len(lines) + 1):
        for cut in ("", lines[-1][:9]):
            (tmp_path / "new.jsonl").write_text("".join(f"{line}\n" for line in lines[:count]) + cut)
            assert measurements.read_document(tmp_path / "new.jsonl") == {**header, "points": points[: count - 1]}
    (tmp_path / "new.jsonl").write_text("no JSON\n")
    with pytest.raises(ValueError):
        measurements.read_document(tmp_path / "new.jsonl")


@pytest.mark.parametrize("name", ["mini-7", "mini-13"])
def test_what_is_committed_was_measured_on_the_weights_that_are_shipped(name):
    found, path = measurements.measured(name), measurements.FOLDER / f"{name}.jsonl"
    assert found.model == name and found.weights == fingerprint(Path(find(name).source))
    assert f"evaluation {name} --grid" in found.command and path.stat().st_size < 200_000
    assert len(found.pruned) >= 52 and len(found.tasks) >= 1000


@pytest.mark.parametrize("name", ["mini-7", "mini-13"])
def test_the_duel_was_fought_with_the_weights_that_are_shipped(name):
    found = measurements.duels()[name]
    assert found.weights == fingerprint(Path(find(name).source)) and f"evaluation {name} --duel mini-7" in found.command
    assert found.tasks == measurements.duels()["mini-7"].tasks and len(found.tasks) == 3000
    assert [point.k for point in found.pruned] == ([] if name == "mini-7" else [0, 1, 2, 3, 4])


def test_no_torch_is_needed():
    code = (
        "import sys, fastv.evidence.measurements, fastv.evidence.findings, fastv.evidence.known_quality\n"
        "import fastv.evidence.latency_solver\n"
        "sys.exit(bool({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


@pytest.mark.parametrize("name", ["mini-7", "mini-13"])
def test_the_machine_was_quiet_when_times_were_taken(name):
    """Runs without FastV are the same work at every point: what makes them differ is other work."""
    medians = [point.unpruned_seconds for point in measurements.measured(name).points]
    assert max(medians) < 1.3 * min(medians)
