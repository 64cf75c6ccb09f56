"""Who follows a link finds what it says, as far as it is there; no link makes the app fetch a model."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import gradio as gr
import pytest
from comparisons import comparison
from standins import save_llava_checkpoint

from fastv.models.catalogue import ModelEntry
from fastv.models.loading import load
from fastv.ui import following, page, taking
from fastv.ui.examples import SUGGESTIONS, example
from fastv.ui.share import Link
from fastv.ui.shelf import Shelf

SKIP = gr.skip()
KEY, K, R, PRESET = 0, 6, 7, 4  # where they are in what model_updates returns


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("following") / "standin"
    save_llava_checkpoint(folder, seed=3)
    return Shelf(load(str(folder)))


def test_all_of_a_link_is_restored(shelf):
    link = Link("standin", 3, 40.0, None, "how many ?", 42, "mean", "explore")
    *asked, rank, tabs, key, in_use, _, _, preset, _, k, r, status, later = following.followed(shelf, link, SUGGESTIONS)
    assert asked[0].tobytes() == example(42).picture.tobytes() and asked[1] == "how many ?" and asked[3] == 42
    assert (rank, tabs.selected, key, in_use) == ("mean", "explore", "standin", "standin")
    assert (k.value, r.value, preset.value, status, later) == (3, 40.0, "Your own", SKIP, None)


def test_an_empty_link_changes_nothing(shelf):
    assert [item for item in following.followed(shelf, Link(), SUGGESTIONS) if item not in (SKIP, None)] == []


@pytest.mark.parametrize("link, expected", [
    (Link(k=2, r=75.0), (2, 75.0, "K=2, R=75%")),
    (Link(preset="K=2, R=75%"), (2, 75.0, "K=2, R=75%")),
    (Link(k=3, r=75.0, preset="K=2, R=75%"), (3, 75.0, "Your own")),
    (Link(k=900, r=10.0), (None, 10.0, "Your own")),
    (Link(preset="no such preset"), (None, None, None)),
])
def test_a_budget_is_what_the_model_has_of_it(shelf, link, expected):
    updates = following.model_updates(shelf.take(None), link)
    default = following.model_updates(shelf.take(None), Link())
    for place, value in zip((K, R, PRESET), expected):
        assert updates[place].value == (default[place].value if value is None else value)


def test_a_model_to_download_waits_for_a_person(shelf):
    made = following.followed(shelf, Link(model="llava-1.5-7b", k=3), SUGGESTIONS)
    assert made[-1] is None and "LLaVA-1.5 7B" in made[-2] and made[-10 + KEY] == "standin"
    assert made[-10 + K].value == 3 and not shelf.is_loaded("llava-1.5-7b")


def test_a_model_of_the_project_is_loaded_and_one_that_is_missing_leaves_all_as_it_was(shelf, monkeypatch):
    entry = ModelEntry("twin", "Twin", "/nowhere", "", embedded=True)
    monkeypatch.setitem(shelf.entries, "twin", entry)
    link = Link(model="twin")
    *_, status, later = following.followed(shelf, link, SUGGESTIONS)
    assert later == link and "Loading Twin" in status
    *updates, status = following.loaded_later(shelf, link)
    assert updates == [SKIP] * 8 and "problem" in status


def test_nobodys_model_is_the_default(shelf):
    assert following.followed(shelf, Link(model="nobody"), SUGGESTIONS)[-10 + KEY] == "standin"


def test_the_query_and_the_lines_follow_the_controls(shelf):
    values = ["standin", 3, 53.7, "Your own", 'is it "red" ?', 42, "random", None]
    query, lines = taking.said(shelf, 16, *values)
    assert "k=3&r=53.7" in query and "scene=42" in query
    for piece in ('load("path/to/standin", dtype="float32")',
                  'FastV(k=3, r=0.537, rank="random")', "max_new_tokens=16"):
        assert piece in lines
    for broken in ({1: None}, {2: ""}, {0: "nobody"}):
        changed = [broken.get(place, value) for place, value in enumerate(values)]
        assert taking.said(shelf, 16, *changed) == [SKIP, SKIP]


def test_a_finished_run_can_be_downloaded_and_the_next_one_clears_it(shelf):
    with gr.Blocks():
        made = taking.layout(shelf, Link("standin", 2, 50.0), 64)
    buttons = taking.files(made, comparison(model="../über model"), "two", "http://x/?k=2")
    paths = [Path(button.value["path"] if isinstance(button.value, dict) else button.value) for button in buttons]
    assert [path.name for path in paths] == [f"fastv-..-ber-model-k2-r50.{kind}" for kind in ("html", "csv", "json")]
    assert all(button.interactive for button in buttons)
    html, numbers, everything = (path.read_text(encoding="utf-8") for path in paths)
    assert "Expected" in html and len(list(csv.DictReader(StringIO(numbers)))) == 2
    assert json.loads(everything)["link"] == "http://x/?k=2"
    assert all(path.parents[1] == Path(made.downloads[0].GRADIO_CACHE).resolve() for path in paths)
    assert not any(button.interactive for button in taking.files(made, None, None, None))


def test_the_whole_page_builds(shelf):
    assert page.build(shelf).config["components"]
