from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from fastv.evidence import published
from fastv.evidence.published import (
    TABLE1_BENCHMARKS,
    VIDEO_BENCHMARKS,
    attention_shares,
    latency,
    lmms_eval,
    table1,
    video,
)
from fastv.paths import ASSETS


def test_every_file_is_read_in_full():
    assert [len(rows) for rows in (table1(), latency(), video(), lmms_eval(), attention_shares())] == [27, 13, 3, 9, 2]
    assert {path.name for path in published.FOLDER.glob("*.csv")} == {
        "fastv_table1.csv",
        "fastv_latency.csv",
        "fastv_video.csv",
        "fastv_lmms_eval.csv",
        "fastv_attention.csv",
    }


def test_rows_are_typed_and_frozen():
    unpruned, pruned = table1()[:2]
    assert (unpruned.model, unpruned.k, unpruned.r, unpruned.flops_per_layer_b) == ("llava-1.5-7b", None, 0.0, 99.3)
    assert pruned.k == 2 and isinstance(pruned.k, int) and isinstance(pruned.r, float)
    with pytest.raises(dataclasses.FrozenInstanceError):
        pruned.k = 3


@pytest.mark.parametrize("rows", [table1(), latency(), video(), lmms_eval()])
def test_rows_without_k_are_the_unpruned_ones(rows):
    assert all((row.k is None) == (row.r == 0) for row in rows)
    assert all(0 <= row.r < 1 for row in rows)


@pytest.mark.parametrize("rows, benchmarks, digits", [(table1(), TABLE1_BENCHMARKS, 1), (video(), VIDEO_BENCHMARKS, 2)])
def test_printed_averages_follow_from_the_printed_scores(rows, benchmarks, digits):
    *scores, average = benchmarks
    assert average == "average"
    for row in rows:
        mean = sum(getattr(row, name) for name in scores) / len(scores)
        assert row.average == pytest.approx(mean, abs=1.01 * 10**-digits), row


def test_ratios_follow_from_the_flops_column():
    whole = {row.model: row.flops_per_layer_b for row in table1() if row.k is None}
    for row in table1():
        assert row.flops_ratio == pytest.approx(row.flops_per_layer_b / whole[row.model], abs=0.0101), row


def test_thirteen_b_at_half_is_slower_than_seven_b_and_faster_at_three_quarters():
    seconds = {
        (row.model, row.r): row.first_token_seconds
        for row in latency()
        if row.source == "official README" and row.precision == "fp16"
    }
    assert seconds["llava-1.5-13b", 0.75] < seconds["llava-1.5-7b", 0] < seconds["llava-1.5-13b", 0.5]


def test_a_broken_file_is_named_with_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "FOLDER", tmp_path)
    (tmp_path / "bad.csv").write_text(
        (ASSETS / "published" / "fastv_video.csv").read_text().replace("2,0.50", "two,0.50")
    )
    with pytest.raises(ValueError, match="bad.csv, line 3"):
        published._read("bad.csv", published.VideoRow)
    with pytest.raises(ValueError, match="bad.csv: columns"):
        published._read("bad.csv", published.LatencyRow)


def test_arithmetic_and_published_numbers_import_no_torch():
    code = (
        "import sys, fastv.evidence.published, fastv.costs.solver\n"
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=published.FOLDER.parent.parent).returncode == 0
