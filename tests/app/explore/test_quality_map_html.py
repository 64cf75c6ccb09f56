"""Measured quality in the explorer: on the map, on the frontier and in sentences; and words where there is none."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from html import unescape

import gradio as gr
import pytest

from fastv.app.explore import events, panes
from fastv.app.explore.layout import layout
from fastv.app.explore.state import Choices
from fastv.costs import configs
from fastv.evidence import measurements, pareto
from fastv.evidence.findings import findings
from fastv.formatting import percent, points
from fastv.pruning.methods.registry import METHODS
from tests.support.recorded_runs import record

START = Choices("mini-7", "", 2, 50, "float16", 36, 64, 1, 1, "quality", "itself", "a100-80g", 1, "total", "scenes")
LOST = {(2, 0.5, "fastv"): 0.1, (2, 0.9, "random"): 0.4}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Both twins measured, as if; yields the larger one."""
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    measurements._all_of.cache_clear()
    (tmp_path / "mini-7.json").write_text(json.dumps(record("mini-7", lost=LOST)))
    (tmp_path / "mini-13.json").write_text(json.dumps(record("mini-13", layers=10, right=0.9)))
    yield measurements.all_measured()
    measurements._all_of.cache_clear()


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    measurements._all_of.cache_clear()
    yield
    measurements._all_of.cache_clear()


def shown(**changes) -> dict[str, str]:
    found = panes.panes(replace(START, **changes))
    assert found["problem"] == ""
    return found


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", html))).strip()


def test_the_map_shows_measured_shares_with_their_intervals(data):
    html, one = shown()["map"], data["mini-7"]
    point = one.point(2, 0.5)
    share = f"{100 * one.score(point).share:.1f}"
    assert 'data-k="2" data-r="0.5"' in html and f">{share}</button>" in html
    score, change = one.score(point), one.change(point)
    readout = words(re.search('<p class="readout.*?</p>', html, re.DOTALL)[0])
    for value in (score.share, score.low, score.high):
        assert percent(value) in readout
    for value in (change.share, change.low, change.high):
        assert points(value) in readout
    assert len(re.findall("<button", html)) == 6  # three K and two R


def test_a_point_that_is_no_cell_is_found_by_the_tokens_it_keeps(data):
    assert "K=2, R=50.3% was not measured" in words(shown(r=50.3)["map"])
    one = data["mini-7"]
    share = f"{100 * one.score(one.point(2, 0.9)).share:.1f}".removesuffix(".0")
    assert f"K=2, R=89.9% {share}%" in words(shown(r=89.9)["map"])  # as at 90%, 58 of 576 are kept


def test_the_chosen_point_is_shown_per_task(data):
    one = data["mini-7"]
    point, said = one.point(2, 0.5), words(shown()["map"])
    for task in ("exists", "where", "count"):
        before, after = (100 * one.score(at, task).share for at in (one.unpruned, point))
        assert f"{task} {one.score(point, task).asked} {before:.1f} {after:.1f}" in said


def test_the_map_is_of_the_method_that_is_chosen(data):
    one = data["mini-7"]
    html = shown(quality_method="random", k=2, r=90)["map"]
    assert METHODS["random"].label in words(re.search("<h3>.*?</h3>", html)[0])
    lost = one.score(one.point(2, 0.9, "random")).share
    assert lost < one.score(one.point(2, 0.9)).share
    assert percent(lost) in words(re.search('<p class="readout.*?</p>', html, re.DOTALL)[0])


def test_a_method_without_a_measured_plane_has_no_map(data):
    html = shown(quality_method="divprune")["map"]
    assert "gridcell" not in html and html.count('<span role="img" class="dot') > 3  # over what it costs instead
    assert all(f"key-line is-{name}" in html for name in ("random", "lower_resolution"))
    html = shown(quality_method="random")["map"]
    assert "gridcell" in html and "key-line is-random" not in html  # it does not stand beside itself
    html = shown(model="llava-1.5-13b", quality_method="divprune")["map"]
    assert "gridcell" not in html and 'class="dot' not in html


def test_a_model_with_published_scores_keeps_them(data):
    assert "Table 1" in words(shown(model="llava-1.5-13b", benchmark="average")["map"])


@pytest.mark.parametrize("axis", pareto.AXES)
def test_every_cost_has_the_measured_points(data, axis):
    html = shown(axis=axis)["frontier"]
    points = sum(len(one.points) for one in data.values())
    assert html.count('<button type="button" class="dot') == points
    assert html.count('<line class="fastv') + html.count('<line class="baseline') == points  # one interval each
    said = words(html)
    assert "paper's formula" in said or axis == "seconds" and "measured on a processor" in said
    assert "mini-7 (measured here)" in said and f"kept {METHODS['random'].phrase}" in said


def test_points_say_k_r_cost_and_score_and_can_be_loaded(data):
    one = data["mini-7"]
    score = one.score(one.point(2, 0.9, "random"))
    html = shown()["frontier"]
    found = re.search(r'data-model="mini-7" data-k="2" data-r="0.9"[^>]*aria-label="([^"]*at random[^"]*)"', html)
    assert f"{100 * score.share:.4g} (95% CI {100 * score.low:.1f} to {100 * score.high:.1f})" in found[1]
    assert "MFLOPs" in found[1] or "GFLOPs" in found[1]
    costs = [point.cost for one in pareto.series("ratio", "scenes") for point in one.points]
    assert max(costs) == 1 and min(costs) > 0


def test_the_sentences_stand_below_whatever_is_drawn(data):
    said_of = findings()
    for benchmark in ("scenes", "average", "video"):
        said = words(shown(benchmark=benchmark)["findings"])
        assert len(said_of) == 5 and all(one.sentence in said and one.detail in said for one in said_of)


def test_times_of_different_machines_are_not_put_on_one_axis(data, tmp_path):
    (tmp_path / "mini-13.json").write_text(json.dumps(record("mini-13", device="another")))
    measurements._all_of.cache_clear()
    assert "timed in different places" in words(shown(axis="seconds")["frontier"])
    assert "dot" in shown(axis="total")["frontier"]


def test_as_fast_as_the_smaller_model_is_read_off_measured_times(data, monkeypatch):
    shapes = configs.known() | {"mini-13": configs.shape_of("mini-7")}
    monkeypatch.setattr(configs, "known", lambda: shapes)
    html = shown(model="mini-13")["equivalence"]
    card = html[html.index('class="card time') :]
    assert 'data-k="2" data-r="0.25"' in card
    assert "80.0 ms" in card and "a processor" in card
    html = shown(model="mini-13", k=5)["equivalence"]
    assert "data-k" not in html[html.index('class="card time') : html.index("</section>", html.index("card time"))]


def test_where_nothing_was_measured_the_page_says_so(nothing):
    panes = shown()
    assert "gridcell" not in panes["map"] and "mini-7" in words(panes["map"])
    assert "Nothing has been measured" in words(panes["frontier"]) and "<dl>" not in panes["findings"]


def test_a_model_brings_the_scores_that_there_are_of_it(data):
    assert events.scores_of("mini-7", "average") == "scenes" == events.scores_of("mini-13", "scenes")
    assert events.scores_of("llava-1.5-7b", "scenes") == "average"
    assert events.scores_of("llava-1.5-7b", "mmmu") == "mmmu"
    with gr.Blocks():
        explorer = layout(2, 50.0)
    chosen = asdict(replace(START, benchmark="average"))
    values = {control: chosen[name] for name, control in explorer.controls.items()}
    updates = events._model_changed(explorer, values)
    assert updates[explorer.benchmark] == "scenes"
    assert "mini-7 (measured here)" in words(updates[explorer.frontier])
