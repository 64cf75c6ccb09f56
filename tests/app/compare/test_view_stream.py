"""From a request to views: in order, with nothing lost, and with a sentence for everything that goes wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from PIL import Image

from fastv.app.compare.view_stream import View, no_comparison, view_stream
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.families.catalogue import ModelEntry
from fastv.loading.load import load
from tests.support.comparisons import words
from tests.support.requests import asked
from tests.support.standins import save_llava_checkpoint

QUESTION = "how many red ?"


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answering") / "standin"
    save_llava_checkpoint(folder, seed=3)
    loaded = load(str(folder))
    loaded.model.generation_config.update(eos_token_id=None, suppress_tokens=loaded.processor.tokenizer.all_special_ids)
    return ModelPool(loaded)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "red.png"
    Image.new("RGB", (60, 56), "red").save(path)
    return str(path)


def shown(pool, known=None, **fields):
    """What a run shows; a slow machine also gets views that change nothing, which keep the connection."""
    views = view_stream(lambda: asked(**{"max_new_tokens": 4, "repeats": 2, **fields}), pool, RunPolicy(), known or {})
    return [view for view in views if view != View(None)]


def test_a_run_streams_times_and_ends_with_everything(pool, picture):
    told = shown(pool, {"how many red": "none"}, picture=picture, question=QUESTION)
    stages = list(dict.fromkeys(view.status.split(">")[1].split("<")[0] for view in told if view.status))
    assert stages[:3] == ["Waiting for the model…", "Answering: without FastV…", "Answering: with FastV…"]
    assert stages[3:-1] == [f"Timing pass {number} of 4…" for number in (1, 2, 3, 4)] and stages[-1].startswith(
        "Done: "
    )
    blank, last = told[0], told[-1]
    assert blank.table == no_comparison().table and "K=2, R=50%" in blank.answers
    (kept,) = last.kept
    assert "Expected: <b>none</b>" in last.answers and "–</td>" not in last.table
    assert "8 of its 16 patches" in kept and "8 of 16" in words(kept) and ">–<" not in last.tiles
    assert blank.tiles == no_comparison().tiles and last.remark
    timed = [view for view in told if "Timing" in view.status]
    assert timed and all(view.answers is view.table is view.tiles is view.kept is None for view in timed)


def test_a_description_of_a_known_scene_is_checked_thing_by_thing(pool, picture):
    truth = "a cat and two boats on a red background"
    last = shown(pool, {"how many red": truth}, picture=picture, question=QUESTION, repeats=1)[-1]
    assert last.expected == truth and "Expected" not in last.answers
    assert last.answers.count("<del>two boats</del>") == 2  # the stand-in says neither


def test_answers_about_a_visitors_own_picture_stand_back_where_the_model_knows_scenes_alone(pool, picture, monkeypatch):
    own = shown(pool, picture=picture, question=QUESTION, repeats=1)[-1]
    assert "muted" not in own.answers
    entry = pool.entry(None)
    monkeypatch.setitem(pool.entries, entry.key, replace(entry, embedded=True))
    own, known = (shown(pool, its, picture=picture, question=QUESTION, repeats=1)[-1] for its in ({}, {"x": "y"}))
    assert "muted" in own.answers and "muted" not in known.answers and own.remark != known.remark


def test_more_warm_up_is_called_so(pool, picture):
    told = [view.status for view in shown(pool, picture=picture, question=QUESTION, warmup=2, repeats=1)]
    assert sum("Warming up…" in status for status in told) == 2 and any(
        "Timing pass 2 of 2…" in status for status in told
    )


@pytest.mark.parametrize(
    "fields, piece",
    [
        ({"question": "  "}, "question is empty"),
        ({"question": "what is <image> ?"}, "special meaning"),
        ({"question": "w" * 20_000}, "20,000"),
        ({"picture": "/nowhere.png"}, "no file"),
        ({"k": 99}, "layers"),
        ({"model": "other"}, "There is no model"),
        ({"method": "best"}, "method"),
    ],
)
def test_what_is_wrong_becomes_one_sentence_and_leaves_the_rest_as_it_was(pool, picture, fields, piece):
    (view,) = shown(pool, **{"picture": picture, "question": QUESTION, **fields})
    assert piece in view.problem and view.answers is view.table is view.kept is None


def test_an_unexpected_error_is_logged_and_not_shown(pool, picture, monkeypatch, caplog):
    monkeypatch.setattr("fastv.measurement.compare.compare", lambda *_, **__: 1 / 0)
    (view,) = shown(pool, picture=picture, question=QUESTION)
    assert view.problem == INTERNAL_ERROR and "ZeroDivisionError" in caplog.text and "division" not in view.status


def test_closing_returns_at_once_and_frees_the_model(pool, picture):
    model = pool.load(None)
    slow = model.family.decoder(model.model).register_forward_pre_hook(lambda *_: time.sleep(0.3))
    try:
        running = view_stream(lambda: asked(picture, QUESTION, max_new_tokens=60), pool, RunPolicy(), {})
        next(view for view in running if "Answering" in view.status)
        start = time.monotonic()
        running.close()
        assert time.monotonic() - start < 0.2
        assert model.lock.acquire(timeout=5)
        model.lock.release()
    finally:
        slow.remove()
        for thread in threading.enumerate():
            if thread.name.startswith("fastv"):
                thread.join(5)


@pytest.fixture
def pair(pool, tmp_path_factory, monkeypatch):
    """The pool with another model on it, not yet in memory."""
    folder = tmp_path_factory.mktemp("twin") / "twin"
    save_llava_checkpoint(folder, seed=4, layers=6)
    monkeypatch.setitem(pool.entries, "twin", ModelEntry("twin", "Twin", str(folder), "", embedded=True))
    yield pool
    pool._models.pop("twin", None)


def test_two_models_are_named_throughout_a_run(pair, picture):
    told = shown(pair, picture=picture, question=QUESTION, model="twin", baseline_model="standin")
    stages = list(dict.fromkeys(view.status.split(">")[1].split("<")[0] for view in told if view.status))
    assert stages[1].startswith("Twin. Loading: ")
    stages = [stage for stage in stages if not stage.startswith("Twin. Loading: ")]
    assert stages[:4] == [
        "Loading Twin…",
        "Waiting for the model…",
        "Answering: standin…",
        "Answering: Twin with FastV…",
    ]
    texts = [words(html) for view in told for html in (view.answers, view.table) if html]
    assert all("standin" in text and "Twin with FastV" in text and "Without" not in text for text in texts)
    (kept,) = told[-1].kept
    assert "8 of 16" in words(kept) and "Twin with FastV" in words(told[-1].table)


def test_both_sides_with_fastv_show_what_both_kept_and_neither_none(pair, picture):
    fields = {"picture": picture, "question": QUESTION, "repeats": 1}
    first, second = shown(pair, k=2, r=0.5, baseline_k=1, baseline_r=0.75, **fields)[-1].kept
    assert "8 of 16" in words(first) and "layer 2" in words(first) and "8 of its 16" in first
    assert "4 of 16" in words(second) and "layer 1" in words(second)
    neither = shown(pair, model="twin", k=None, baseline_model="standin", **fields)[-1]
    (whole,) = neither.kept
    assert "16 of 16" in words(whole) and "FastV" not in neither.answers.replace("without FastV", "")


@pytest.mark.parametrize(
    "fields", [{"baseline_model": "other"}, {"baseline_k": 99}, {"baseline_k": 1, "baseline_r": 2}]
)
def test_a_wrong_other_side_becomes_one_sentence(pool, picture, fields):
    (view,) = shown(pool, picture=picture, question=QUESTION, **fields)
    assert view.problem and view.problem != INTERNAL_ERROR and view.answers is None
