"""A link brings the explorer back as it was, says only what was changed, and believes nothing it is told."""

from __future__ import annotations

from urllib.parse import parse_qsl

import gradio as gr
import pytest

from fastv.app.explore import link
from fastv.app.explore.layout import layout
from fastv.app.explore.panes import panes

CHANGED = {
    "model": "qwen2-vl-7b",
    "k": 20,
    "r": 53.8,
    "dtype": "4bit",
    "text": 100,
    "answer": 1,
    "pictures": 3,
    "batch": 8,
    "map": "kv-cache",
    "of": "small",
    "device": "t4",
    "lose": 2.5,
    "cost": "ratio",
    "score": "mmmu_acc",
    "mini": "mini-13",
    "at": "75%",
    "equal": "tokens",
    "questions": "OCR",
    "method": "divprune",
}


@pytest.fixture(scope="module")
def explorer():
    with gr.Blocks():
        return layout(2, 50.0)


def query(explorer, **changes) -> dict[str, str]:
    values = {name: control.value for name, control in link.linked(explorer).items()} | changes
    return dict(parse_qsl(link.query_of(explorer, list(values.values()))))


def test_there_and_back(explorer):
    for name, control in link.linked(explorer).items():
        choices = [key for _, key in control.choices] if isinstance(control, gr.Radio | gr.Dropdown) else []
        assert CHANGED[name] != control.value and (not choices or CHANGED[name] in choices), name
        assert link.values_of(explorer, query(explorer, **{name: CHANGED[name]})) == {name: CHANGED[name]}
    assert link.values_of(explorer, query(explorer, **CHANGED)) == CHANGED


def test_what_was_not_changed_or_cannot_be_linked_is_not_said(explorer):
    assert query(explorer) == {} == query(explorer, model="own") == query(explorer, k=None)
    assert query(explorer, k=3, model="own") == {} and query(explorer, r=75.0) == {"x_r": "75"}


def test_all_controls_and_panes_follow(explorer):
    updates = link.followed(explorer, {**query(explorer, **CHANGED), "k": "3", "r": "75"}, panes)
    assert updates[explorer.met] == (3, 75.0) and updates[explorer.problem] == ""
    assert "Qwen2-VL 7B" in updates[explorer.map] and set(updates) == set(link.outputs(explorer))
    controls = {name: updates[control] for name, control in link.linked(explorer).items()}
    assert {name: _value(control) for name, control in controls.items()} == CHANGED
    assert controls["k"].maximum == 27


def _value(update):
    return update["value"] if isinstance(update, dict) else getattr(update, "value", update)


@pytest.mark.parametrize("measure", ["quality", "memory"])
def test_a_linked_map_has_its_own_controls(explorer, measure):
    updates = link.followed(explorer, {"x_map": measure, "x_method": "divprune"}, panes)
    shown = {control: updates[control]["visible"] for control in (explorer.quality_method, explorer.relative)}
    is_quality = measure == "quality"
    assert shown == {explorer.quality_method: is_quality, explorer.relative: not is_quality}


def test_a_link_to_a_cost_without_a_score_shows_points(explorer):
    updates = link.followed(explorer, {"x_cost": "seconds"}, panes)
    assert updates[explorer.benchmark] == "aokvqa_acc" and 'class="dot' in updates[explorer.frontier]
    updates = link.followed(explorer, {"x_score": "video"}, panes)
    assert updates[explorer.axis] == "ratio" and 'class="dot' in updates[explorer.frontier]


def test_a_layer_that_the_model_lacks_becomes_its_last(explorer):
    updates = link.followed(explorer, {"x_model": "mini-7", "x_k": "20"}, panes)
    assert (updates[explorer.model], updates[explorer.k].value) == ("mini-7", 7)


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"k": "3"},
        {"x_k": "-1"},
        {"x_k": "2.5"},
        {"x_k": "1000"},
        {"x_r": "101"},
        {"x_r": "nan"},
        {"x_r": "5.55"},
        {"x_batch": "0"},
        {"x_batch": "65"},
        {"x_model": "own"},
        {"x_model": "nobody"},
        {"x_device": "<b>"},
        {"x_text": "1e3"},
        {"x_own": "{}"},
        {"x_map": ""},
    ],
)
def test_nonsense_changes_nothing(explorer, nonsense):
    assert link.followed(explorer, nonsense, panes) == {}
