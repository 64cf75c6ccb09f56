"""What is drawn of a sweep's tables, also of incomplete ones."""

from __future__ import annotations

import json
import re

import pytest

from fastv.app.shared.sweep_chart import frontier, legend, sweep_pane
from fastv.app.sweep.kr_map import kr_maps
from fastv.app.sweep.result_html import recorded, result
from fastv.formatting import day
from fastv.paths import ASSETS


def score(share):
    return {"share": share, "low": share - 0.1, "high": share + 0.1}


def row(method, r, flops, **known):
    k = None if method is None else 2
    return {
        "method": method,
        "k": k,
        "r": r,
        "flops_ratio": flops,
        "same_answer": score(0.8),
        "right": score(0.5),
        **known,
    }


@pytest.fixture
def rows():
    return [row(None, 0.0, 1.0), row("fastv", 0.5, 0.7), row("fastv", 0.75, 0.6), row("lower_resolution", 0.5, 0.4)]


def test_every_setting_is_a_dot_and_every_method_a_line(rows):
    drawn = frontier(rows)
    assert drawn.count('class="dot ') == 4 and drawn.count("<polyline") == 2
    assert drawn.count('data-k="2"') == 2  # K is no choice of the method that reduces the picture


def test_methods_beside_each_other_have_marks_of_other_shapes(rows):
    found = [*rows[:2], *(row(name, 0.5, 0.6) for name in ("random", "divprune"))]
    marks = [entry["kind"] for entry in legend(found) if "key-method" in entry["kind"]]
    assert len({mark.split()[-1] for mark in marks}) == 3
    for mark in marks:
        assert f'class="dot fastv {mark.removeprefix("key-method ")}"' in frontier(found)


def test_without_known_answers_agreement_is_drawn(rows):
    assert "80%" not in frontier(rows) and "50%" in frontier(rows)
    assert "80%" in frontier([{**one, "right": None} for one in rows])


def test_without_flops_there_is_no_chart(rows):
    assert frontier([{**one, "flops_ratio": None} for one in rows]) is None
    assert frontier(rows[:1]) is None


def test_text_of_visitors_is_escaped(rows):
    bad = [{"line": 3, "reason": "<b>no</b>", "unit": "line"}]
    shown = result({"rows": rows, "recommendation": None, "problems": [], "bad_rows": bad})
    assert "<b>" not in shown and "&lt;b&gt;no" in shown


def changed(method, k, r, share):
    change = {"share": share, "low": share - 0.01, "high": share + 0.01}
    return {**row(method, r, 0.5), "k": k, "change": change}


def test_a_method_asked_at_several_k_and_r_has_a_map_that_is_darker_where_more_is_lost(rows):
    grid = [changed("fastv", k, r, -k * r / 10) for k in (1, 2) for r in (0.5, 0.75)]
    ((label, drawn),) = kr_maps([*rows[:1], *grid, changed("random", 2, 0.5, 0.0)])
    assert label == "FastV" and drawn.count("<button") == 4
    heats = [float(heat) for heat in re.findall(r"--heat: ?([\d.]+)", drawn)]
    assert heats == sorted(heats) and heats[0] < heats[-1]  # K=1 R=50%, K=1 R=75%, K=2 ...


def test_a_map_fills_in_and_needs_two_k_and_two_r(rows):
    some = [changed("fastv", 1, 0.5, 0.0), changed("fastv", 1, 0.75, 0.0), changed("fastv", 2, 0.5, -0.1)]
    assert kr_maps(some)[0][1].count("<button") == 3
    assert kr_maps(some[:2]) == []


def test_the_recorded_sweep_is_shown_with_its_date_and_all_its_settings():
    found = json.loads((ASSETS / "measured" / "sweeps" / "drawn-scenes-mini-7.json").read_text())
    assert day(found["date"]) in recorded() and f"{found['questions']:,}" in recorded()
    assert recorded().count('scope="row"') >= len(found["rows"])
    assert day(found["date"]) not in result(found)


def test_another_tab_shows_the_chart_and_nothing_where_there_is_none(rows):
    found = {"rows": rows, "recommendation": None, "model": "<i>", "questions": 7}
    assert sweep_pane(found).count('class="dot ') == 4 and "<i>" not in sweep_pane(found)
    assert sweep_pane({**found, "rows": rows[:1]}) == ""
