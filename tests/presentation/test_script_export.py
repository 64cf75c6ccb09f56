"""The lines that are shown run as they are, and give the answer that was on the page."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from PIL import Image

from fastv.families.catalogue import ModelEntry, find
from fastv.inputs.video import open_video
from fastv.loading.load import load
from fastv.measurement.results import Side
from fastv.presentation.script_export import ScriptSide, script, script_of_both
from fastv.pruning.config import PruningConfig
from tests.support.compare_sides import compare
from tests.support.standins import save_checkpoint, save_llava_checkpoint
from tests.support.video_files import video

AWKWARD = [
    'is it "red" ?',
    "what's this ?",
    """both " and ' ?""",
    "two\nlines\\n {k} {{}}",
    'end"""',
    "\ud800 \u202e ?",
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"k": 2, "r": 0.5}, {"k": 0, "r": 0.537, "seed": 7}, {"k": 3, "r": 0.75, "method": "fastv_mean"}]
)
def test_the_lines_print_the_answer_of_the_comparison(settings, tmp_path, monkeypatch, capsys):
    save_llava_checkpoint(tmp_path / "path" / "to" / "standin", seed=3)
    pixels = np.random.default_rng(0).integers(0, 256, (56, 84, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)
    loaded = load(str(tmp_path / "path" / "to" / "standin"))
    question = "how many red in the picture ?"
    *_, finished = compare(loaded, "picture.png", question, max_new_tokens=5, repeats=1, **settings)
    lines = script(loaded.entry, question, PruningConfig(**settings), dtype=loaded.dtype, max_new_tokens=5)
    assert str(tmp_path) not in lines
    exec(compile(lines, "shown", "exec"), {})
    assert capsys.readouterr().out.strip() == finished.fastv.answer != ""


@pytest.mark.slow
@pytest.mark.parametrize("config", [None, PruningConfig("fastv_mean", 1, 0.25), PruningConfig("random", 1, 0.25)])
def test_the_lines_of_both_sides_print_both_answers(config, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "path" / "to"
    for name, shape in (("small", {"seed": 3}), ("large", {"seed": 4, "layers": 6})):
        save_llava_checkpoint(folder / name, **shape)
    pixels = np.random.default_rng(0).integers(0, 256, (56, 84, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)
    small, large = (load(str(folder / name)) for name in ("small", "large"))
    question = "how many red in the picture ?"
    *_, finished = compare(
        large,
        "picture.png",
        question,
        k=2,
        r=0.5,
        method="fastv_mean",
        max_new_tokens=5,
        repeats=1,
        baseline=Side(small, config),
    )
    sides = (
        ScriptSide("It's small", small.entry, config),
        ScriptSide("Large with FastV", large.entry, PruningConfig("fastv_mean")),
    )
    lines = script_of_both(sides, question, dtype="float32", max_new_tokens=5)
    assert str(tmp_path) not in lines
    exec(compile(lines, "shown", "exec"), {})
    assert capsys.readouterr().out.splitlines() == [
        f"It's small: {finished.baseline.answer}",
        f"Large with FastV: {finished.fastv.answer}",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["video_llava", "qwen2_5_vl"])
def test_the_lines_about_a_video_print_the_answers_of_the_comparison(key, tmp_path, monkeypatch, capsys):
    save_checkpoint(key, tmp_path / "path" / "to" / "standin")
    (tmp_path / "video.mp4").write_bytes(video(20))
    monkeypatch.chdir(tmp_path)
    loaded, question = load(str(tmp_path / "path" / "to" / "standin")), "what is in the picture ?"
    *_, finished = compare(loaded, open_video("video.mp4"), question, max_new_tokens=5, repeats=1)
    exec(
        compile(
            script(loaded.entry, question, PruningConfig(), dtype=loaded.dtype, max_new_tokens=5, video=True),
            "shown",
            "exec",
        ),
        {},
    )
    assert capsys.readouterr().out.strip() == finished.fastv.answer != ""
    sides = ScriptSide("as it is", loaded.entry), ScriptSide("with FastV", loaded.entry, PruningConfig())
    exec(compile(script_of_both(sides, question, dtype="float32", max_new_tokens=5, video=True), "shown", "exec"), {})
    assert capsys.readouterr().out.splitlines() == [
        f"as it is: {finished.baseline.answer}",
        f"with FastV: {finished.fastv.answer}",
    ]


@pytest.mark.parametrize("question", AWKWARD)
@pytest.mark.parametrize("both", [False, True])
def test_any_question_survives_as_text(question, both):
    if both:
        lines = script_of_both([ScriptSide(question, find("mini-7"))], question, dtype="float32")
    else:
        lines = script(find("mini-7"), question, PruningConfig(), dtype="float32")
    lines.encode()
    assert question.strip() in [node.value for node in ast.walk(ast.parse(lines)) if isinstance(node, ast.Constant)]


def test_models_are_called_what_load_calls_them():
    def loads(entry):
        return script(entry, "what ?", PruningConfig(), dtype="4bit").split("load(")[1].split(")")[0]

    assert loads(find("llava-1.5-13b")) == '"llava-1.5-13b", dtype="4bit"'
    assert loads(find("someone/a-llava")) == '"someone/a-llava", dtype="4bit"'
    assert loads(ModelEntry("x", "Mine", "/", "")).startswith('"path/to/')


def test_what_is_not_said_is_the_default():
    lines = script(find("mini-7"), "what ?", PruningConfig(), dtype="float32")
    assert "FastV(k=2, r=0.5)(" in lines and "max_new_tokens=64" in lines
    assert 'METHODS["random"](k=3, r=0.9, seed=4)(' in script(
        find("mini-7"), "what ?", PruningConfig("random", 3, 0.9, 4), dtype="float32"
    )
