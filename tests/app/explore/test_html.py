"""The explorer's panes, from the controls' values to HTML: right, robust, and instant."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import asdict, replace
from html import unescape

import gradio as gr
import pytest

from fastv.app.explore import events, panes
from fastv.app.explore.cost_map_html import measures
from fastv.app.explore.layout import PANES, layout
from fastv.app.explore.pareto_html import frontier_pane
from fastv.app.explore.state import Choices, choices
from fastv.app.shared.model_names import OWN
from fastv.costs import roofline
from fastv.costs.memory import DTYPES
from fastv.errors import FastVError
from fastv.evidence import pareto
from fastv.families.catalogue import REFERENCE_CONFIGS

NUMBERS = [name for name in PANES if name != "problem"]
START = Choices(
    "llava-1.5-13b",
    "",
    2,
    50,
    "float16",
    36,
    64,
    1,
    1,
    "prefill-paper",
    "itself",
    "a100-80g",
    1,
    "total",
    "average",
    "mini-7",
)


def shown(**changes) -> dict[str, str]:
    return panes.panes(replace(START, **changes))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", html))).strip()


def text(**changes) -> dict[str, str]:
    """The panes' words."""
    return {name: words(html) for name, html in shown(**changes).items()}


def numbers(said: str) -> set[str]:
    """The numbers of a text, with the percent sign where they have one."""
    return set(re.findall(r"\d+(?:[.,]\d+)*%?", said))


def cards(**changes) -> tuple:
    """K, R and the words of the three cards, and the sentence below them."""
    html = shown(**changes)["equivalence"]
    found = []
    for card in re.findall('<section class="card.*?</section>', html, re.DOTALL):
        button = re.search('data-k="(.*?)" data-r="(.*?)"', card)
        found.append((*(button.groups() if button else (None, None)), words(card)))
    why = re.search('<p class="why">(.*?)</p>', html, re.DOTALL)
    return (*found, words(why[1]) if why else "")


def test_the_honest_and_the_paper_s_equivalent_stand_side_by_side():
    said = text()
    assert "54.7% of LLaVA-1.5 13B without FastV, 106.5% of LLaVA-1.5 7B" in said["map"]
    total, per_layer, time, why = cards()
    assert total[:2] == ("2", "0.538") and {"266", "576", "53.7%", "99.8%"} <= numbers(total[2])
    assert per_layer[:2] == ("2", "0.394") and {"39.4%", "125%"} <= numbers(per_layer[2])
    assert time[:2] == ("2", "0.637")
    assert {"40", "32", "125%"} <= numbers(why)


def test_published_times_tell_where_the_larger_model_is_as_fast():
    *_, time, _ = cards()
    assert {"0.138", "0.155", "0.124", "50%", "75%"} <= numbers(time[2])
    assert cards(k=20, r=90)[2][:2] == ("2", "0.637")  # times were published at K=2
    assert cards(model="mini-13")[2][:2] == ("2", "0.564")  # measured here
    assert cards(model="mini-13", k=5)[2][:2] == cards(model="qwen2-vl-7b")[2][:2] == (None, None)


def test_a_model_that_is_cheaper_already_has_nothing_to_drop():
    own = json.dumps({"model_type": "llama", "num_hidden_layers": 12})
    total, per_layer, *_ = cards(model=OWN, own_text=own)
    assert total[:2] == per_layer[:2] == (None, None)
    assert "37.5%" in numbers(total[2])
    panes = shown(model=OWN, own_text=own)
    assert "data-k" not in panes["equivalence"] and "polyline" not in panes["map"]


def test_published_figures_stand_beside_the_bounds_of_the_same_card():
    assert {"203", "155", "33.0", "28.0"} <= numbers(text()["estimate"])
    for changes in ({"device": "t4"}, {"batch": 2}, {"model": "qwen2-vl-7b"}, {"dtype": "float32"}):
        assert not {"203", "308"} & numbers(text(**changes)["estimate"])
    assert {"308", "275"} <= numbers(text(dtype="4bit")["estimate"])
    assert "203" in numbers(text(r=33)["estimate"]) and "155" not in numbers(text(r=33)["estimate"])


@pytest.mark.parametrize("changes", [{}, {"model": "mini-7", "measure": "quality"}, {"measure": "quality"}])
def test_the_stronger_color_is_worse_on_every_map(changes):
    cells = re.findall(r'--heat:(\d+)%.*?data-r="([\d.]+)".*?>([\d.]+)</button>', shown(**changes)["map"])
    heats, values = zip(*((int(heat), float(value)) for heat, _, value in cells))
    is_quality = changes.get("measure") == "quality"
    for one, other in itertools.combinations(zip(heats, values), 2):
        if one[0] != other[0] and one[1] != other[1]:
            assert ((one[0] > other[0]) == (one[1] < other[1])) == is_quality
    assert len(set(heats)) > 1


@pytest.mark.parametrize(
    "row",
    [
        "0 51.0% 51.2% 37.4%",
        "1 52.3% 52.6% 38.4%",
        "2 53.7% 54.0% 39.4%",
        "3 55.2% 55.4% 40.5%",
        "5 58.4% 58.6% 42.8%",
        "10 68.3% 68.5% 50.0%",
        "20 – not reachable – not reachable 75.5%",
    ],
)
def test_the_table_of_equivalents_to_the_digit(row):
    assert f" {row} " in text()["equivalence"] + " "


def test_the_smaller_model_has_no_equivalent_of_itself():
    said = text(model="llava-1.5-7b")
    assert (
        "LLaVA-1.5 7B is the reference" in said["equivalence"] and "polyline" not in shown(model="llava-1.5-7b")["map"]
    )


def test_what_fastv_does_not_change_is_plain():
    said = text()["flops"]
    assert "Vision tower 0.382 0.382 the same" in said and "Decode steps 1.65 1.64 1% less" in said


def test_ones_own_config_is_explored_like_the_model_it_describes():
    own = json.dumps(REFERENCE_CONFIGS["llava-1.5-13b"])
    mine, theirs = text(model=OWN, own_text=own), text()
    assert mine["flops"] == theirs["flops"] and mine["problem"] == ""
    assert mine["map"].replace("Your config", "LLaVA-1.5 13B").startswith(theirs["map"][:200])
    hostile = shown(model=OWN, own_text='{"model_type": "<img src=x>"}')["problem"]
    assert "not known" in hostile and "<img" not in hostile


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 39},
        {"k": 99},
        {"r": 0},
        {"r": 100},
        {"r": 53.7},
        {"batch": 64, "pictures": 8},
        {"text_tokens": 0},
        {"answer_tokens": 1},
        {"relative": "small"},
        {"model": "llava-1.5-7b", "relative": "small"},
        *({"measure": key} for _, key in measures()),
        *({"dtype": dtype} for dtype in DTYPES),
        *({"device": key} for key in roofline.devices()),
        *({"axis": axis} for axis in pareto.AXES),
        *({"benchmark": benchmark} for benchmark in pareto.BENCHMARKS),
        *({"model": key} for _, key in choices() if key != OWN),
    ],
    ids=str,
)
def test_every_control_has_something_to_show(changes):
    panes = shown(**changes)
    assert panes["problem"] == "" and all(panes[name] for name in NUMBERS)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "nobody"},
        {"model": None},
        {"dtype": "float1"},
        {"text_tokens": -1},
        {"text_tokens": 1e12},
        {"pictures": "many"},
        {"pictures": 1.5},
        {"batch": 0},
        {"batch": True},
        {"k": None},
        {"k": float("nan")},
        {"r": 101},
        {"r": None},
        {"r": float("nan")},
        {"measure": "beauty"},
        {"relative": "nothing"},
        {"device": "abacus"},
        {"axis": "time"},
        {"benchmark": "vqa"},
    ],
    ids=str,
)
def test_nonsense_gets_a_sentence_and_leaves_the_rest_as_it_is(changes, caplog):
    panes = shown(**changes)
    assert isinstance(panes["problem"], str) and len(words(panes["problem"])) > 20
    assert not any(isinstance(panes[name], str) for name in NUMBERS) and not caplog.records


@pytest.mark.parametrize("own, refused", [("", False), (None, False), ("  ", False), ("{", True), ('{"x": 1}', True)])
def test_without_a_usable_config_no_other_models_numbers_are_shown(own, refused):
    panes = shown(model=OWN, own_text=own)
    assert bool(panes["problem"]) == refused
    assert not re.search(r"\d", words(panes["map"]))
    assert panes["equivalence"] == panes["flops"] == panes["estimate"] == ""
    assert "scatter" in panes["frontier"]


@pytest.mark.parametrize("axis", pareto.AXES)
@pytest.mark.parametrize("benchmark", pareto.BENCHMARKS)
def test_a_cost_brings_a_score_and_a_score_a_cost_that_are_known_together(axis, benchmark):
    for axis_now, benchmark_now in (
        (axis, pareto.benchmark_for(axis, benchmark)),
        (pareto.axis_for(benchmark, axis), benchmark),
    ):
        assert pareto.available(axis_now, benchmark_now) is None
        assert 'class="dot' in frontier_pane(None, axis_now, benchmark_now)
    if pareto.available(axis, benchmark) is None:
        assert pareto.benchmark_for(axis, benchmark) == benchmark and pareto.axis_for(benchmark, axis) == axis


def test_the_controls_follow_each_other():
    with gr.Blocks():
        explorer = layout(2, 50.0)
    chosen = asdict(replace(START, axis="seconds"))
    values = {control: chosen[name] for name, control in explorer.controls.items()}
    updates = events._axis_changed(explorer, values)
    assert updates[explorer.benchmark] == "aokvqa_acc" and "138 ms" in words(updates[explorer.frontier])
    updates = events._benchmark_changed(explorer, values | {explorer.benchmark: "video"})
    assert updates[explorer.axis] == "ratio" and 'class="dot' in updates[explorer.frontier]


@pytest.mark.parametrize(
    "spot, found",
    [
        ({"k": "5", "r": "0.7", "model": ""}, ("llava-1.5-13b", 40, 5, 70.0)),
        ({"k": "2", "r": "0.538"}, ("llava-1.5-13b", 40, 2, 53.8)),
        ({"k": "39", "r": "0.5", "model": "llava-1.5-7b"}, ("llava-1.5-7b", 32, 31, 50.0)),
        ({"k": "", "r": "0.0", "model": "llava-1.5-7b"}, ("llava-1.5-7b", 32, 2, 0.0)),
        ({"k": "2", "r": "0.5", "model": "qwen-vl-chat"}, ("llava-1.5-13b", 40, 2, 50.0)),
    ],
)
def test_a_chosen_spot_is_a_model_and_a_budget(spot, found):
    assert events.chosen_spot(spot, "llava-1.5-13b", "", 2) == found


@pytest.mark.parametrize(
    "spot",
    [
        {},
        {"k": "x", "r": "0.5"},
        {"k": "2", "r": "1.5"},
        {"k": "-1", "r": "0.5"},
        {"k": "2", "r": "nan"},
        {"k": None, "r": None},
        {"k": "2", "r": []},
        {"k": "2", "r": "0.5", "model": ["x"]},
    ],
)
def test_what_is_no_spot_is_refused(spot):
    with pytest.raises(FastVError):
        events.chosen_spot(spot, "llava-1.5-13b", "", 2)


def test_a_model_of_clips_begins_with_the_paper_s_eight_frames():
    assert "36 text and 2,048 visual tokens in 8 frames" in text(model="video-llava-7b")["map"]
    assert "36 text and 576 visual tokens." in text(model="qwen2-vl-7b")["map"]
    assert "36 text and 4,096 visual tokens in 16 frames" in text(model="video-llava-7b", pictures=2)["map"]
