"""A sweep's report in each format: all rows and numbers, nothing that runs, and texts that stay texts."""

from __future__ import annotations

import csv
import json
import re
from io import BytesIO, StringIO

import pytest

from fastv.errors import InvalidInputError
from fastv.presentation.sweep.frontier import Mark, frontier
from fastv.presentation.sweep.report import FORMATS, as_csv, as_html, flat_rows, write_report

SHARE = {"right": 3, "asked": 4, "share": 0.75, "low": 0.3, "high": 0.95}
CHANGE = {"gained": 0, "lost": 1, "asked": 4, "share": -0.25, "low": -0.6, "high": 0.1, "p": 1.0}
RATIO = {"share": 0.5, "low": 0.4, "high": 0.6, "rounds": 4}
UNPRUNED = {"method": None, "k": None, "r": 0.0, "seed": None, "same_answer": SHARE, "right": SHARE, "change": None}
PRUNED = {"method": "fastv", "k": 2, "r": 0.5, "seed": 0, "same_answer": SHARE, "right": SHARE, "change": CHANGE}
OWN = {"method_seconds": 0.0025, "kv_cache_ratio": 0.64, "peak_ratio": 0.87}
SWEEP = {
    "model": "<b>mine</b>",
    "questions": 4,
    "output": "sweep.jsonl",
    "score": "exact",
    "recommendation": {"sentence": "Use K=2 <script>"},
    "rows": [
        {**UNPRUNED, "prefill_ratio": RATIO, "flops_ratio": 1.0},
        {**PRUNED, "prefill_ratio": RATIO, "flops_ratio": 0.743, "p_holm": 0.04, **OWN},
        {**PRUNED, "method": "random", "prefill_ratio": None, "flops_ratio": 0.74, "control": True},
    ],
    "parts": [
        {"part": "task", "name": "colour", "method": "fastv", "k": 2, "r": 0.5, "seed": 0}
        | {"before": SHARE, "after": SHARE, "change": CHANGE, "p_holm": 1.0}
    ],
    "problems": [{"picture": "a.png", "question": "<i>?", "problem": "too dark"}],
    "bad_rows": [{"line": 3, "reason": "no image", "unit": "row"}],
}


def test_rows_become_flat_with_the_same_columns():
    rows = flat_rows(SWEEP)
    assert len(rows) == 4 and len({tuple(row) for row in rows}) == 1
    assert (rows[1]["change_share"], rows[1]["prefill_ratio_low"], rows[1]["p_holm"]) == (-0.25, 0.4, 0.04)
    assert rows[0]["change_share"] is None and rows[2]["control"] is True
    assert [(row["part"], row["name"]) for row in rows] == [(None, None)] * 3 + [("task", "colour")]
    assert not any(isinstance(value, dict) for row in rows for value in row.values())


def test_csv_and_json_hold_the_same_numbers(tmp_path):
    lines = list(csv.DictReader(StringIO(as_csv(SWEEP))))
    assert [line["flops_ratio"] for line in lines] == ["1.0", "0.743", "0.74", ""]
    write_report(tmp_path / "sweep.JSON", SWEEP)
    assert json.loads((tmp_path / "sweep.JSON").read_text()) == SWEEP


def test_parquet_holds_them_with_their_types(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra eval is not installed")
    write_report(tmp_path / "sweep.parquet", SWEEP)
    found = parquet.read_table(BytesIO((tmp_path / "sweep.parquet").read_bytes())).to_pylist()
    assert found == flat_rows(SWEEP)


def test_the_page_stands_alone_and_escapes_what_others_wrote():
    page = str(as_html(SWEEP))
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert not re.search(r"<script|<b>|<i>|https?://(?!www\.w3)|url\(", page)
    for text in (
        "&lt;b&gt;mine",
        "Use K=2 &lt;script&gt;",
        "a.png",
        "row 3",
        "task colour",
        "74.3%",
        "−25.0",
        ">2.5<",
        ">64%<",
        ">87%<",
    ):
        assert text in page
    assert page.count("<circle") == 2
    assert page.count('<th scope="row">') == 4
    plain = str(as_html({**SWEEP, "recommendation": None, "parts": [], "problems": [], "bad_rows": []}))
    assert "<ul>" not in plain and 'class="verdict"' not in plain


def test_a_sweep_without_known_answers_or_costs_has_a_page_too():
    bare = {**UNPRUNED, "right": None, "prefill_ratio": None, "flops_ratio": None}
    rows = [bare, {**bare, "method": "fastv", "k": 2, "r": 0.5}]
    page = str(as_html({"model": "m", "questions": 1, "rows": rows}))
    assert "<svg" not in page and "FLOPs</th>" not in page
    assert as_csv({"model": "m", "questions": 1, "rows": rows}).count("\n") == 3


def test_every_mark_lies_inside_the_drawing_and_cheaper_is_further_left():
    marks = [Mark("a", 0.2, -0.4, -0.5, -0.3), Mark("b", 0.9, 0.01, -0.02, 0.03, control=True), Mark("c", 1.3, 0, 0, 0)]
    text = str(frontier(marks, "FLOPs"))
    places = [tuple(map(float, place)) for place in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', text)]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert places[0][1] > places[1][1]  # further down: lost more
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', text).groups())
    ends = [(float(x), float(y)) for x, y in re.findall(r' x1="([\d.]+)" x2="[\d.]+" y1="([\d.]+)"', text)]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in places + ends)
    assert "<circle" in frontier([Mark("alone", 0.5, 0.0, 0.0, 0.0)], "FLOPs")


def test_other_names_are_refused(tmp_path):
    for name in ("sweep.xlsx", "sweep"):
        with pytest.raises(InvalidInputError, match=".html, .csv"):
            write_report(tmp_path / name, SWEEP)
    with pytest.raises(InvalidInputError, match="cannot be written"):
        write_report(tmp_path / "absent" / "sweep.csv", SWEEP)
    assert set(FORMATS) == {".html", ".csv", ".json", ".parquet"}
