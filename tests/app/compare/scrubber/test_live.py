"""Where nothing was recorded the slider asks the model: once for each setting, and once for the baseline."""

from __future__ import annotations

import gradio as gr
import pytest
from PIL import Image

from fastv.app.compare import layout
from fastv.app.compare.scrubber import live
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from tests.support.comparisons import words
from tests.support.prompts import talkative


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return ModelPool(talkative(tmp_path_factory.mktemp("live") / "standin", seed=3))


@pytest.fixture(scope="module")
def ui(pool):
    with gr.Blocks():
        return layout.lay_out(pool)


@pytest.fixture
def values(ui, tmp_path):
    Image.new("RGB", (60, 56), "red").save(tmp_path / "red.png")
    upload = {"path": str(tmp_path / "red.png"), "meta": {"_type": "gradio.FileData"}}
    given = {part: part.value for part in (ui.known, ui.video.which, *ui.side_inputs)}
    return {**given, ui.picture: upload, ui.question: "how many red ?", ui.max_new_tokens: 4, ui.k: 2, ui.r: 50}


def test_the_baseline_is_asked_once_for_a_picture_and_a_question(ui, pool, values, monkeypatch):
    asked = []
    quick = live.quick_answers
    monkeypatch.setattr(
        live, "quick_answers", lambda of, sides, *rest: asked.append(len(sides)) or quick(of, sides, *rest)
    )
    with gr.Blocks():
        state = gr.State(None)
    first = live.asked(ui, pool, RunPolicy(), values, None, state)
    second = live.asked(ui, pool, RunPolicy(), {**values, ui.r: 75}, first[state], state)
    live.asked(ui, pool, RunPolicy(), {**values, ui.question: "what ?"}, second[state], state)
    assert asked == [2, 1, 2]
    assert "8 of 16" in words(first[ui.kept]) and "4 of 16" in words(second[ui.kept])
    assert "R=75%" in words(second[ui.answers]) and "50% less" not in words(second[ui.tiles])


def test_a_clip_and_comparisons_that_run_elsewhere_are_left_to_run(ui, pool, values):
    for policy, changed in ((RunPolicy(execute=lambda *_, **__: iter(())), {}), (RunPolicy(), {ui.video.which: "own"})):
        with pytest.raises(FastVError):
            live.asked(ui, pool, policy, {**values, **changed}, None, ui.known)
