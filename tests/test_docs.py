"""What the README states is what the project's own files say, and what it shows runs."""

import json
import re
import sys
from pathlib import Path

import pytest

from fastv.costs.configs import shape_of
from fastv.costs.flops import prefill_flops
from fastv.evidence.findings import findings
from fastv.evidence.measurements import measured
from fastv.families.catalogue import CATALOGUE, find
from fastv.formatting import points
from fastv.miniature.world.question_templates import TASKS
from fastv.miniature.world.scenes import scene
from tests.support.standins import save_checkpoint

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def block(start):
    (found,) = [text for text in blocks("python") if text.startswith(start)]
    return found


@pytest.fixture(scope="module")
def twins():
    """The scores of both, the smaller one first."""
    return [json.loads((Path(find(key).source) / "scores.json").read_text())["scores"] for key in ("mini-7", "mini-13")]


def test_the_larger_twin_answers_better_by_more_than_chance_and_most_of_what_is_wrong_are_counts_and_descriptions(
    twins,
):
    told = " ".join(README.split())
    assert (
        "the larger one answers better, by more than chance would make it. Four fifths of what either gets wrong are counts"
        in told
    )
    assert twins[0]["all"]["high"] < twins[1]["all"]["low"]
    for scores in twins:
        wrong = {task: score["asked"] - score["right"] for task, score in scores.items()}
        assert 0.75 < (wrong["count"] + wrong["count category"] + wrong["describe"]) / wrong["all"] < 0.85


def test_the_scores_are_the_measured_ones(twins):
    stated = re.findall(r"^\| ([a-z ]+ (?:\| [\d.]+% \| [\d.]+% to [\d.]+% ){2})\|$", README, re.MULTILINE)
    assert stated == [" | ".join([task, *(_said(scores[task]) for scores in twins)]) + " " for task in twins[0]]


def _said(score):
    return f"{score['share']:.1%} | {score['low']:.1%} to {score['high']:.1%}"


def test_the_twins_cost_is_the_computed_one():
    big, small = (shape_of(key) for key in ("mini-13", "mini-7"))
    layers = prefill_flops(big, text_tokens=1, visual_tokens=0, r=0.0) / prefill_flops(
        small, text_tokens=1, visual_tokens=0, r=0.0
    )
    whole = prefill_flops(big, r=0.0) / prefill_flops(small, r=0.0)
    assert f"one costs {layers:.2f} times" in " ".join(README.split()) and f"it is {whole:.2f} times" in README


def test_what_fastv_costs_the_twins_is_what_was_measured():
    told = " ".join(README.split())
    assert findings()
    for one in findings():
        assert f"- **{one.question}** {one.sentence}" in told
        assert not one.detail or f"- *{one.question}* {one.detail}" in told


def test_which_tasks_pay_for_the_things_that_go_is_what_was_measured():
    told = " ".join(README.split())
    small, big = (measured(key) for key in ("mini-7", "mini-13"))
    changes = [one.change(one.point(2, 0.5), "describe") for one in (small, big)]
    assert (
        f"at K=2, R=50% {points(changes[0].share)} points on mini-7 and {points(changes[1].share)} points on mini-13"
        in told
    )
    for one in (small, big):
        by_task = {task: one.change(one.point(2, 0.5), task).share for task in TASKS}
        assert min(by_task, key=by_task.get) == "describe"


def test_the_files_it_names_exist():
    for path in re.findall(r"(?:\(|`)((?:assets|presets|tests|benchmarks|fastv)/[\w./-]+)", README):
        assert (ROOT / path).exists(), path


def test_the_costs_are_what_the_lines_give():
    lines = block("from fastv.costs.flops")
    names = {}
    exec(lines, names)
    for line in lines.splitlines():
        if "#" in line:
            expression, stated = line.rsplit("#", 1)
            assert eval(expression, names) == pytest.approx(float(stated), rel=1e-3)


def test_the_script_prints_two_answers(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    exec(block("from fastv.measurement.compare"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_script_about_a_clip_counts_every_frame(capsys, monkeypatch, tmp_path):
    from fastv.loading import load as loading

    save_checkpoint("video_llava", tmp_path)
    load, asked = loading.load, []
    monkeypatch.setattr(loading, "load", lambda name: asked.append(name) or load(str(tmp_path)))
    monkeypatch.chdir(ROOT)
    exec(block("from fastv.inputs.video"), {})
    lines = capsys.readouterr().out.splitlines()
    assert asked == ["video-llava-7b"] and asked[0] in [entry.key for entry in CATALOGUE]
    assert len(lines) == 8 and lines[0].startswith("(0.25,) ") and lines[0].endswith(" 17")
    assert sum(int(line.split()[1]) for line in lines) == 68


def test_the_command_on_ones_own_questions_runs(tmp_path, monkeypatch, capsys):
    from fastv.sweep import run

    (command,) = [text for text in blocks("bash") if "fastv.sweep" in text]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.setattr(sys, "argv", command.split()[2:])
    run.main()
    assert len(capsys.readouterr().out.split("\n\n")[0].splitlines()) == 2 + 1 + 4


def test_the_few_lines_prune():
    from fastv.loading.load import load

    loaded = load("mini-7")
    prompt = loaded.family.prompt(loaded.processor, "How many animals are there?")
    inputs = loaded.processor(images=scene(72).picture, text=prompt, return_tensors="pt")
    names = {"model": loaded.model, "inputs": inputs}
    exec(block("from fastv import FastV"), names)
    assert names["trace"].kept.shape == (1, 288)
