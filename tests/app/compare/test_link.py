"""A link restores what it says, as far as it is there; no link makes the app download a model."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from fastv.app import page
from fastv.app.compare import export, layout, link
from fastv.app.compare.baseline_panel import SAME
from fastv.app.compare.chosen_sides import chosen_sides
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.deep_link import Link, link_of
from fastv.app.shared.example_scenes import example
from fastv.families.catalogue import ModelEntry
from fastv.loading.load import load
from tests.support.comparisons import PLAIN, PRUNED, comparison, duel, pruned, run
from tests.support.standins import save_llava_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("links")
    save_llava_checkpoint(folder / "standin", seed=3)
    return folder


@pytest.fixture(scope="module")
def pool(folder):
    return ModelPool(load(str(folder / "standin")))


@pytest.fixture(scope="module")
def ui(pool):
    with gr.Blocks():
        return layout.lay_out(pool)


@pytest.fixture
def twin(pool, folder, monkeypatch):
    """Another model of the pool, not in memory yet."""
    entry = ModelEntry("twin", "Twin", str(folder / "standin"), "", embedded=True)
    monkeypatch.setitem(pool.entries, "twin", entry)
    yield entry
    pool._models.pop("twin", None)


def chosen(ui, **changes):
    """The values of what a link tells of, with changes by their names in ``ui`` or in the baseline's panel."""
    values = {component: component.value for component in (ui.max_new_tokens, ui.offered, *link.inputs(ui))}
    for name, value in changes.items():
        component = getattr(ui.baseline, name[9:]) if name.startswith("baseline_") else getattr(ui, name)
        values[component] = value
    return values


def test_all_of_a_link_is_restored(ui, pool):
    updates = link.follow(ui, pool, Link("standin", 3, 40.0, None, "how many ?", 42, "fastv_mean"))
    assert updates[ui.picture].tobytes() == example(42).picture.tobytes()
    assert (updates[ui.question], updates[ui.scene], updates[ui.method].value) == ("how many ?", 42, "fastv_mean")
    assert (updates[ui.model], updates[ui.in_use]) == ("standin", "standin")
    assert (updates[ui.k].value, updates[ui.r].value, updates[ui.preset].value) == (3, 40.0, "Your own")
    assert (updates[ui.baseline.model], updates[ui.baseline.r].value) == (SAME, 0.0)
    assert ui.status not in updates and ui.pending_link not in updates


def test_options_of_both_sides_are_told_and_restored(ui, pool):
    values = chosen(ui, options=["per", "proportional"], baseline_r=50, baseline_options=["positions"])
    said = link.chosen_link(ui, values)
    assert (said.options, said.baseline_options) == ("per,proportional", "positions")
    sides = chosen_sides(ui, values)
    assert sides.candidate.pruning.options == {"per": "image", "proportional": True}
    assert sides.baseline.pruning.options == {"positions": "close"}
    updates = link.follow(ui, pool, said)
    # A picture is one tile to this model: there is no box for tiles.
    assert (updates[ui.options].value, updates[ui.baseline.options].value) == (["proportional"], ["positions"])


def test_a_picture_of_the_senders_own_is_asked_for(ui, pool):
    values = chosen(ui, scene=None, question="what is in my picture ?")
    said = link.chosen_link(ui, values)
    updates = link.follow(ui, pool, said)
    assert (updates[ui.picture], updates[ui.known], updates[ui.scene]) == (None, {}, None)
    assert updates[ui.question] == "what is in my picture ?" and updates[ui.status]
    values = values | {ui.scene: 42, ui.video.which: "own"}
    assert link.chosen_link(ui, values) == said
    assert link_of({"picture": "/etc"}) == Link()


def test_an_empty_link_changes_nothing(ui, pool):
    assert link.follow(ui, pool, Link()) == {}


@pytest.mark.parametrize(
    "said, expected",
    [
        (Link(k=2, r=75.0), (2, 75.0, "K=2, R=75%")),
        (Link(preset="K=2, R=75%"), (2, 75.0, "K=2, R=75%")),
        (Link(k=3, r=75.0, preset="K=2, R=75%"), (3, 75.0, "Your own")),
        (Link(k=900, r=10.0), (None, 10.0, "Your own")),
        (Link(preset="no such preset"), (None, None, None)),
    ],
)
def test_pruning_is_what_the_model_has_of_it(ui, pool, said, expected):
    updates, default = (link.side_updates(ui, pool, one) for one in (said, Link()))
    for component, value in zip((ui.k, ui.r, ui.preset), expected, strict=True):
        assert updates[component].value == (default[component].value if value is None else value)


def test_a_model_to_download_waits_for_a_visitor(ui, pool):
    updates = link.follow(ui, pool, Link(model="llava-1.5-7b", k=3))
    assert "LLaVA-1.5 7B" in updates[ui.status] and ui.pending_link not in updates
    assert (updates[ui.model], updates[ui.k].value) == ("standin", 3) and not pool.is_loaded("llava-1.5-7b")


def test_a_model_of_the_project_is_loaded_and_one_that_is_missing_leaves_the_sides(ui, pool, monkeypatch):
    monkeypatch.setitem(pool.entries, "lost", ModelEntry("lost", "Lost", "/nowhere", "", embedded=True))
    updates = link.follow(ui, pool, Link(model="lost"))
    assert updates[ui.pending_link] == Link(model="lost").query and "Lost" in updates[ui.status]
    values = chosen(ui) | {ui.pending_link: updates[ui.pending_link]}
    failed = link.load_pending(ui, pool, values)
    assert set(failed) == {ui.preset, ui.sentence, ui.status, ui.pending_link} and failed[ui.pending_link] == ""
    assert failed[ui.preset] == ui.preset.value and "problem" in failed[ui.status]
    assert link.load_pending(ui, pool, values | {ui.pending_link: ""}) == {}


def test_an_unknown_model_is_the_default(ui, pool):
    assert link.follow(ui, pool, Link(model="nobody"))[ui.model] == "standin"


def test_the_query_and_the_script_follow_the_controls(ui, pool):
    values = chosen(ui, question='is it "red" ?', scene=42, method="random", k=3, r=53.7, max_new_tokens=16)
    updates = link.link_updates(ui, pool, values)
    query, script = updates[ui.export.query], updates[ui.export.script]
    said = link_of(dict(parse_qsl(query)))
    assert (said.k, said.r, said.scene, said.method, said.baseline) == (3, 53.7, 42, "random", None)
    compile(script, "script", "exec")
    for piece in ('load("path/to/standin", dtype="float32")', "k=3, r=0.537", "random", "max_new_tokens=16"):
        assert piece in script


@pytest.mark.parametrize(
    "change", [{"k": None}, {"r": ""}, {"r": 101}, {"in_use": "nobody"}, {"baseline_in_use": "no"}]
)
def test_while_a_field_is_unusable_the_query_and_the_script_stay(ui, pool, change):
    assert link.link_updates(ui, pool, chosen(ui, **change)) == {}


def test_a_finished_run_can_be_downloaded_and_the_next_one_clears_it(ui):
    sides = [run(setup=replace(PLAIN, model="../über model")), pruned(setup=replace(PRUNED, model="../über model"))]
    updates = export.file_updates(ui.export, comparison(*sides), "two", "http://x/?k=2")
    paths = [
        Path(button.value["path"] if isinstance(button.value, dict) else button.value) for button in updates.values()
    ]
    assert [path.name for path in paths] == [f"fastv-..-ber-model-k2-r50.{kind}" for kind in ("html", "csv", "json")]
    assert all(button.interactive for button in updates.values())
    html, numbers, everything = (path.read_text(encoding="utf-8") for path in paths)
    assert "Expected" in html
    rows = list(csv.DictReader(StringIO(numbers)))
    assert len(rows) == 2
    assert json.loads(everything)["link"] == "http://x/?k=2"
    assert all(path.parents[1] == Path(ui.export.downloads[0].GRADIO_CACHE).resolve() for path in paths)
    cleared = export.file_updates(ui.export, None, None, None)
    assert not any(button.interactive for button in cleared.values())


def test_the_files_of_a_pair_are_named_after_both_sides(ui):
    html, numbers, _ = (button.value for button in export.file_updates(ui.export, duel(), None, None).values())
    names = [Path(value["path"] if isinstance(value, dict) else value).name for value in (html, numbers)]
    assert names == ["fastv-mini-13-k2-r50-beside-mini-7.html", "fastv-mini-13-k2-r50-beside-mini-7.csv"]


def test_the_other_side_of_a_link_is_restored(ui, pool, twin):
    said = Link("standin", 2, 75.0, baseline="twin", baseline_k=3, baseline_r=12.5, baseline_method="random")
    updates = link.follow(ui, pool, said)
    assert "Loading Twin" in updates[ui.status] and link_of(dict(parse_qsl(updates[ui.pending_link]))) == said
    updates = link.load_pending(ui, pool, chosen(ui) | {ui.pending_link: updates[ui.pending_link]})
    panel = ui.baseline
    k, r = updates[panel.k], updates[panel.r]
    assert (updates[panel.model], updates[panel.in_use]) == ("twin", "twin")
    assert (k.value, k.maximum, r.value, r.step) == (3, 3, 12.5, 0.1)
    assert "Twin, Random at K=3, R=12.5%" in updates[panel.box].label and "Twin" in updates[ui.status]
    assert (updates[ui.model], updates[ui.k].value, updates[ui.r].value) == ("standin", 2, 75.0)
    values = chosen(ui, baseline_in_use="twin", baseline_k=3, baseline_r=12.5, baseline_method="random", r=75)
    script = link.link_updates(ui, pool, values)[ui.export.script]
    assert "path/to/standin" in script and "k=3, r=0.125" in script and "k=2, r=0.75" in script
    assert link.side_updates(ui, pool, Link("standin", 2, 75.0))[panel.model] == SAME


def test_an_other_side_to_download_waits_for_a_visitor(ui, pool):
    updates = link.follow(ui, pool, Link("standin", 3, 75.0, baseline="llava-1.5-7b"))
    assert "LLaVA-1.5 7B" in updates[ui.status] and "Compare with" in updates[ui.status]
    assert (updates[ui.k].value, updates[ui.baseline.model]) == (3, SAME) and not pool.is_loaded("llava-1.5-7b")


def test_an_unknown_other_side_is_the_same_model(ui, pool):
    updates = link.follow(ui, pool, Link("standin", 3, 75.0, baseline="nobody"))
    assert (updates[ui.k].value, updates[ui.baseline.model]) == (3, SAME) and ui.status not in updates


def test_the_whole_page_builds(pool):
    assert page.build(pool).blocks.config["components"]


def test_a_page_opened_before_the_first_model_is_loaded_says_so_and_then_that_it_is(folder):
    entry = ModelEntry("standin", "Stand-in", str(folder / "standin"), "", embedded=True)
    starting = ModelPool(entry, catalogue=())
    with gr.Blocks():
        ui = layout.lay_out(starting)
    updates = link.follow(ui, starting, Link())
    assert entry.name in updates[ui.status] and updates[ui.pending_link]
    values = chosen(ui) | {ui.pending_link: updates[ui.pending_link]}
    done = link.load_pending(ui, starting, values)
    assert starting.is_loaded(None) and done[ui.pending_link] == "" and entry.name in done[ui.status]
    assert ui.status not in link.follow(ui, starting, Link())
