"""Who follows a link finds what it says, as far as it is there; no link makes the app fetch a model."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from fastv.app import page, url_sync
from fastv.app.compare import export
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.deep_link import Link, link_of
from fastv.app.shared.example_scenes import SUGGESTIONS, example
from fastv.families.catalogue import ModelEntry
from fastv.loading.load import load
from tests.support.comparisons import PLAIN, PRUNED, comparison, duel, pruned, run
from tests.support.standins import save_llava_checkpoint

SKIP = gr.skip()
KEY, K, R, PRESET, OTHER = 0, 6, 7, 4, 9  # where they are in what model_updates returns


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("following")
    save_llava_checkpoint(folder / "standin", seed=3)
    return folder


@pytest.fixture(scope="module")
def pool(folder):
    return ModelPool(load(str(folder / "standin")))


def test_all_of_a_link_is_restored(pool):
    link = Link("standin", 3, 40.0, None, "how many ?", 42, "fastv_mean", "explore")
    *asked, method, tabs, key, in_use, _, _, preset, _, k, r, _, other, _, _, other_r, status, later = (
        url_sync.followed(pool, link, SUGGESTIONS)
    )
    assert asked[0].tobytes() == example(42).picture.tobytes() and asked[1] == "how many ?" and asked[3] == 42
    assert (method, tabs.selected, key, in_use) == ("fastv_mean", "explore", "standin", "standin")
    assert (k.value, r.value, preset.value, status, later) == (3, 40.0, "Your own", SKIP, "")
    assert (other, other_r.value) == ("", 0.0)


def test_a_picture_of_somebodys_own_is_asked_for_again(pool):
    link = link_of({"question": "what is in my picture ?", **export.shown_said(None, None)})
    picture, question, known, scene, *_, status, _ = url_sync.followed(pool, link, SUGGESTIONS)
    assert (picture, question, known, scene) == (None, "what is in my picture ?", {}, None)
    assert "choose it again" in status
    assert export.shown_said(None, "own") == export.shown_said(None, None) and link_of({"picture": "/etc"}) == Link()


def test_an_empty_link_changes_nothing(pool):
    assert [item for item in url_sync.followed(pool, Link(), SUGGESTIONS) if item not in (SKIP, "")] == []


@pytest.mark.parametrize(
    "link, expected",
    [
        (Link(k=2, r=75.0), (2, 75.0, "K=2, R=75%")),
        (Link(preset="K=2, R=75%"), (2, 75.0, "K=2, R=75%")),
        (Link(k=3, r=75.0, preset="K=2, R=75%"), (3, 75.0, "Your own")),
        (Link(k=900, r=10.0), (None, 10.0, "Your own")),
        (Link(preset="no such preset"), (None, None, None)),
    ],
)
def test_a_budget_is_what_the_model_has_of_it(pool, link, expected):
    updates, default = (url_sync.updates(pool, said) for said in (link, Link()))
    for place, value in zip((K, R, PRESET), expected):
        assert updates[place].value == (default[place].value if value is None else value)


def test_a_model_to_download_waits_for_a_person(pool):
    made = url_sync.followed(pool, Link(model="llava-1.5-7b", k=3), SUGGESTIONS)
    assert made[-1] == "" and "LLaVA-1.5 7B" in made[-2] and made[-15 + KEY] == "standin"
    assert made[-15 + K].value == 3 and not pool.is_loaded("llava-1.5-7b")


def test_a_model_of_the_project_is_loaded_and_one_that_is_missing_leaves_all_as_it_was(pool, monkeypatch):
    entry = ModelEntry("twin", "Twin", "/nowhere", "", embedded=True)
    monkeypatch.setitem(pool.entries, "twin", entry)
    link = Link(model="twin")
    *_, status, later = url_sync.followed(pool, link, SUGGESTIONS)
    assert later == link.query and "Loading Twin" in status
    *updates, status, later = url_sync.loaded_later(pool, later, ("Mine", "A point."))
    assert updates == [SKIP] * 4 + ["Mine", "A point."] + [SKIP] * 7 and "problem" in status and later == ""
    assert set(map(str, url_sync.loaded_later(pool, later, ("Mine", "A point.")))) == {str(SKIP)}


def test_nobodys_model_is_the_default(pool):
    assert url_sync.followed(pool, Link(model="nobody"), SUGGESTIONS)[-15 + KEY] == "standin"


def test_the_query_and_the_lines_follow_the_controls(pool):
    values = ["Your own", 'is it "red" ?', 42, None, "random", "standin", 3, 53.7, "", 2, 0]
    query, lines = export.said(pool, 16, *values)
    assert "k=3&r=53.7" in query and "scene=42" in query and "baseline" not in query
    for piece in (
        'load("path/to/standin", dtype="float32")',
        'METHODS["random"](k=3, r=0.537)',
        "max_new_tokens=16",
    ):
        assert piece in lines
    for broken in ({6: None}, {7: ""}, {5: "nobody"}, {8: "nobody"}):
        changed = [broken.get(place, value) for place, value in enumerate(values)]
        assert export.said(pool, 16, *changed) == [SKIP, SKIP]


def test_a_finished_run_can_be_downloaded_and_the_next_one_clears_it(pool):
    with gr.Blocks():
        made = export.layout(pool, Link("standin", 2, 50.0), 64)
    sides = [run(setup=replace(PLAIN, model="../über model")), pruned(setup=replace(PRUNED, model="../über model"))]
    buttons = export.files(made, comparison(*sides), "two", "http://x/?k=2")
    paths = [Path(button.value["path"] if isinstance(button.value, dict) else button.value) for button in buttons]
    assert [path.name for path in paths] == [f"fastv-..-ber-model-k2-r50.{kind}" for kind in ("html", "csv", "json")]
    assert all(button.interactive for button in buttons)
    html, numbers, everything = (path.read_text(encoding="utf-8") for path in paths)
    assert "Expected" in html and len(list(csv.DictReader(StringIO(numbers)))) == 2
    assert json.loads(everything)["link"] == "http://x/?k=2"
    assert all(path.parents[1] == Path(made.downloads[0].GRADIO_CACHE).resolve() for path in paths)
    assert not any(button.interactive for button in export.files(made, None, None, None))


def test_the_files_of_a_duel_are_called_after_both_sides(pool):
    with gr.Blocks():
        made = export.layout(pool, Link("standin", 2, 50.0), 64)
    html, numbers, _ = (button.value for button in export.files(made, duel(), None, None))
    names = [Path(value["path"] if isinstance(value, dict) else value).name for value in (html, numbers)]
    assert names == ["fastv-mini-13-k2-r50-beside-mini-7.html", "fastv-mini-13-k2-r50-beside-mini-7.csv"]


def test_the_other_side_of_a_link_is_restored(pool, folder, monkeypatch):
    monkeypatch.setitem(pool.entries, "twin", ModelEntry("twin", "Twin", str(folder / "standin"), "", embedded=True))
    link = Link("standin", 2, 75.0, baseline="twin", baseline_k=3, baseline_r=12.5)
    *_, status, later = url_sync.followed(pool, link, SUGGESTIONS)
    assert "Loading Twin" in status and link_of(dict(parse_qsl(later))) == link
    *updates, status, later = url_sync.loaded_later(pool, later, ("", ""))
    box, model, in_use, k, r = updates[-5:]
    assert (model, in_use, k.value, k.maximum, r.value, r.step) == ("twin", "twin", 3, 3, 12.5, 0.1)
    assert box.label == "Compare with: Twin at K=3, R=12.5%" and later == "" and "Twin" in status
    assert (updates[KEY], updates[K].value, updates[R].value) == ("standin", 2, 75.0)
    *_, lines = export.said(pool, 16, None, "what ?", None, None, None, "standin", 2, 75.0, "twin", 3, 12.5)
    assert '"Twin with FastV": ("path/to/standin", FastV(k=3, r=0.125))' in lines
    assert url_sync.updates(pool, Link("standin", 2, 75.0))[-5:][1:3] == ["", ""]


def test_an_other_side_to_download_waits_for_a_person(pool):
    made = url_sync.followed(pool, Link("standin", 3, 75.0, baseline="llava-1.5-7b"), SUGGESTIONS)
    assert made[-1] == "" and "LLaVA-1.5 7B" in made[-2] and "Compare with" in made[-2]
    assert (made[-15 + K].value, made[-15 + OTHER]) == (3, "") and not pool.is_loaded("llava-1.5-7b")


def test_an_other_side_nobody_knows_is_the_same_model(pool):
    made = url_sync.followed(pool, Link("standin", 3, 75.0, baseline="nobody"), SUGGESTIONS)
    assert (made[-15 + K].value, made[-15 + OTHER], made[-2]) == (3, "", SKIP)


def test_the_whole_page_builds(pool):
    assert page.build(pool).blocks.config["components"]
