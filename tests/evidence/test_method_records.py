"""Every method at one cost: tables are computed from marks, paired by question, and change with what is timed."""

from __future__ import annotations

import json
import re
from html import unescape
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from fastv.app.explore.methods_html import ALL, _Scale, methods_pane, question_choices
from fastv.app.shared.deep_link import link_of
from fastv.evidence import method_records
from fastv.evidence.measurements import fingerprint, packed
from fastv.evidence.method_records import EQUAL, GROUPS, RS, parsed
from fastv.families.catalogue import find
from fastv.formatting import points
from fastv.miniature.world.question_templates import TASKS
from fastv.stats import holm, mcnemar
from scripts import method_grid_blocks

RECORDS = method_records.method_records()
QUESTIONS = 48


def line(method, k, r, right, equal="flops", reference_r=0.5, **more):
    kept = round(576 * (1 - r))
    return {
        "method": method,
        "k": k,
        "r": r,
        "seed": 0,
        "proportional": False,
        "equal": equal,
        "reference_r": reference_r,
        "kept_after_each_cut": [[k, kept]],
        "average_tokens": 400,
        "prefill_flops": 1000 - kept,
        "right": packed(number < right for number in range(QUESTIONS)),
        "caption_f1_percent": [],
        **more,
    }


def document():
    """Of two tasks in turn, all right without pruning."""
    unpruned = line(None, None, 0.0, QUESTIONS, equal="", reference_r=0.0) | {"kept_after_each_cut": []}
    return {
        "model": "mini-7",
        "command": "made up",
        "weights": "0",
        "dtype": "bfloat16",
        "machine": {"device": "none"},
        "task_names": ["count", "sign"],
        "tasks": "01" * (QUESTIONS // 2),
        "visual_tokens": 576,
        "points": [
            unpruned,
            line("random", 2, 0.5, 20),
            line("random", 0, 0.4, 30),
            line("random", 0, 0.5, 22, equal="tokens"),
            line("fastv", 2, 0.5, 40),
            line("dart", 2, 0.5, 8),
            line("divprune", 0, 0.4, 46),
            line("divprune", 0, 0.5, 44, equal="tokens"),
            line("evs", 0, 0.4, 0, refused="for videos"),
        ],
    }


def test_a_change_is_paired_and_p_is_corrected_over_the_table():
    record = parsed(document(), {})
    rows = {(row.point.method, row.point.k): row for row in record.table("flops", 0.5)}
    assert set(rows) == {("random", 2), ("random", 0), ("fastv", 2), ("dart", 2), ("divprune", 0)}
    right = {key: row.score.right for key, row in rows.items()}
    others = [key for key in rows if key != ("random", 2)]
    raw = [mcnemar(max(right[key] - 20, 0), max(20 - right[key], 0)) for key in others]
    assert [rows[key].p for key in others] == pytest.approx(holm(raw))
    assert all(row.change.share == pytest.approx(row.score.share - 1) for row in rows.values())
    assert rows["random", 2].p is None and rows["random", 2].verdict == ""
    assert [rows[key].verdict for key in (("fastv", 2), ("dart", 2), ("random", 0))] == ["better", "worse", "better"]
    counting = {row.point.method: row.score for row in record.table("flops", 0.5, GROUPS["counting"])}
    assert (counting["fastv"].right, counting["fastv"].asked) == (20, QUESTIONS // 2)


def test_points_of_equal_tokens_take_the_place_of_those_of_equal_flops():
    record = parsed(document(), {})
    found = {(one.method, one.k): one for one in record.at("tokens", 0.5)}
    assert set(found) == {("random", 2), ("random", 0), ("fastv", 2), ("dart", 2), ("divprune", 0)}
    assert all(abs(one.kept - 288) <= 2 for one in found.values())
    assert record.at("flops", 0.75) == []


def test_the_smallest_loss_comes_first_and_where_all_are_timed_the_quickest():
    plain = parsed(document(), {}).table("flops", 0.5)
    assert [row.change.share for row in plain] == sorted((row.change.share for row in plain), reverse=True)
    timed = [one | {"seconds": 0.1 * number, "own_seconds": 0.01} for number, one in enumerate(document()["points"])]
    record = parsed(document(), {"machine": {"device": "a clock"}, "dtype": "float16", "points": timed})
    seconds = [row.point.seconds for row in record.table("flops", 0.5)]
    assert seconds == sorted(seconds) and record.timed_on == {"device": "a clock", "dtype": "float16"}


def test_a_record_that_cannot_be_used_is_named_and_one_that_hardly_begun_is_left_out(tmp_path):
    header = {name: value for name, value in document().items() if name != "points"}
    (tmp_path / "mini-7.jsonl").write_text(json.dumps(header) + "\n")
    assert method_records._all_of(tmp_path) == {}
    method_records._all_of.cache_clear()
    (tmp_path / "mini-7.jsonl").write_text(json.dumps(header | {"tasks": "zz"}) + "\n" + json.dumps({}) + "\n")
    with pytest.raises(ValueError, match="mini-7.jsonl"):
        method_records._all_of(tmp_path)


def test_every_task_is_in_one_group():
    assert sorted(task for tasks in GROUPS.values() for task in tasks) == sorted(TASKS)
    assert len({key for _, key in question_choices()}) == len(question_choices())


@pytest.mark.parametrize("model", RECORDS)
def test_what_is_recorded_is_of_the_weights_that_are_shipped(model):
    assert RECORDS[model].weights == fingerprint(Path(find(model).source))
    assert RECORDS[model].unpruned.kept == RECORDS[model].visual_tokens
    assert len(RECORDS[model].tasks) >= 3000


@pytest.mark.parametrize("model", RECORDS)
def test_the_page_shows_every_row_as_computed(model):
    for equal, r, (_, questions) in product(EQUAL, RS[:1], question_choices()[:4]):
        tasks = None if questions == ALL else GROUPS[questions]
        html = methods_pane(model, equal, r, questions)
        for row in RECORDS[model].table(equal, r, tasks):
            _, cells = html.split(f'">{row.point.label.replace(chr(39), "&#39;")}</a></th>')
            cells = cells.split("</tr>")[0]
            assert points(row.change.share) in cells and f"{100 * row.score.share:.1f}" in cells
            assert f"{row.point.kept:,}" in cells and f"{round(row.point.average_tokens)} per layer" in cells
            assert (f"F1 {100 * row.point.caption_f1:.1f}" in cells) == (questions == "captions")
    assert methods_pane("nobody", "flops", 0.5, ALL) == ""


@pytest.mark.parametrize("model", RECORDS)
def test_a_methods_name_leads_to_a_comparison_of_that_very_setting(model):
    html = methods_pane(model, "flops", 0.5, ALL)
    links = [unescape(link) for link in re.findall(r'<a href="([^"]+)">', html)]
    rows = RECORDS[model].table("flops", 0.5)
    assert len(links) == len(rows)
    for query, row in zip(links, rows):
        link, point = link_of(dict(parse_qsl(query.removeprefix("?")))), row.point
        assert (link.model, link.method, link.k) == (model, point.method, point.k)
        assert link.r == pytest.approx(100 * point.r, abs=0.05)
        assert link.options == ("proportional" if point.proportional else None)


def test_a_row_far_from_the_others_stands_at_the_edge_of_the_chart():
    far = {"method": "v2drop", "k": 0, "right": packed([False] * QUESTIONS)}
    points = [
        line("random", 2, 0.5, 46),
        *(line(name, 2, 0.5, 45) for name in ("fastv", "dart", "fastv_max", "fastv_mean", "question_tokens", "grid")),
        line("fastv_norope", 2, 0.5, 44),
        line("v2drop", 0, 0.5, 0) | far,
    ]
    made = document() | {"points": [document()["points"][0], *points]}
    rows = parsed(made, {}).table("flops", 0.5)
    scale = _Scale(rows)
    assert [row.point.method for row in rows if scale.is_beyond(row.change.share)] == ["v2drop"]
    places = [scale.at(row.change.share) for row in rows]
    assert places == sorted(places, reverse=True) and places[-1] == 0 and places[-2] > 20


def test_the_documentation_shows_what_the_page_shows():
    text = method_grid_blocks.measured_methods()
    for record in RECORDS.values():
        for row in record.table("flops", RS[0]):
            assert f"{points(row.change.share)} ({points(row.change.low)} to {points(row.change.high)})" in text
