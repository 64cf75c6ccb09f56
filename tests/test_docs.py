"""The documentation: generated blocks are current, named files exist, and every example runs."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import runpy
import shlex
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from fastv import __version__
from fastv.app.hosting.settings import parse_command_line
from fastv.cli import main
from fastv.evidence.measurements import measured
from fastv.families.catalogue import CATALOGUE, find
from fastv.miniature.world.question_templates import TASKS
from scripts import miniature_blocks, render_docs
from tests.support.standins import save_checkpoint

ROOT = Path(__file__).parents[1]
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in render_docs.documents()}
EMBEDDED = [entry.key for entry in CATALOGUE if entry.embedded]
STANDINS = {"llava-1.5-7b": "llava", "video-llava-7b": "video_llava"}


def blocks(language: str) -> list:
    """Every fenced block of a language, as pytest parameters."""
    found = []
    for name, text in DOCUMENTS.items():
        for number, block in enumerate(re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE), 1):
            found.append(pytest.param(block, id=f"{name}-{number}"))
    return found


def commands() -> list:
    """Every line of every bash block, without comments."""
    lines = [line for block in blocks("bash") for line in block.values[0].splitlines()]
    return sorted({line for line in (shlex.join(shlex.split(line, comments=True)) for line in lines) if line})


def test_the_generated_blocks_are_current():
    stale = [name for name, text in DOCUMENTS.items() if render_docs.rendered(text) != text]
    assert not stale, "run python scripts/render_docs.py"


def test_every_block_that_can_be_generated_stands_somewhere():
    used = {name for text in DOCUMENTS.values() for name in re.findall(r"<!-- begin: ([\w-]+) -->", text)}
    assert used == set(render_docs.BLOCKS)


def test_a_stale_block_is_filled_anew_and_the_rest_is_left_alone():
    blocks = {"one": lambda: "1\n2", "two": lambda: "3"}
    text = "a\n<!-- begin: one -->\nold\n<!-- end: one -->\nb <!-- begin: two -->old<!-- end: two --> c"
    filled = "a\n<!-- begin: one -->\n1\n2\n<!-- end: one -->\nb <!-- begin: two -->3<!-- end: two --> c"
    assert render_docs.rendered(text, blocks) == filled == render_docs.rendered(filled, blocks)
    with pytest.raises(KeyError):
        render_docs.rendered(text, {})


@pytest.mark.parametrize("name", [*DOCUMENTS, "CHANGELOG.md", "SECURITY.md"])
def test_linked_and_named_files_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in filter(None, links):
        assert ((ROOT / name).parent / link).exists(), link
    for path in re.findall(r"`((?:assets|presets|tests|benchmarks|fastv|scripts|docs)/[\w./-]+)`", text):
        known = (
            path.split("NAME")[0].rpartition("/")[0] if "NAME" in path else path
        )  # of a recipe: the folder in which the new file goes
        assert (ROOT / known).exists(), path


def test_the_version_is_the_packages():
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == __version__
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == __version__


def test_the_miniatures_are_as_the_prose_says():
    scores = [
        json.loads((Path(find(key).source) / "scores.json").read_text())["scores"] for key in miniature_blocks.PAIR
    ]
    for one in scores:
        wrong = {task: score["asked"] - score["right"] for task, score in one.items()}
        assert wrong["count"] + wrong["count category"] + wrong["describe"] > wrong["all"] / 2
    for key in miniature_blocks.PAIR:
        record = measured(key)
        by_task = {task: record.change(record.point(2, 0.5), task).share for task in TASKS}
        assert min(by_task, key=by_task.get) == "describe"


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    """Folders of small models in place of the real ones: family -> folder."""
    made: dict[str, str] = {}

    def folder(family: str) -> str:
        if family not in made:
            made[family] = str(tmp_path_factory.mktemp(family))
            save_checkpoint(family, Path(made[family]))
        return made[family]

    return folder


@pytest.fixture
def loading(monkeypatch, standin):
    """``load`` with small models in place of the real ones; the names that were asked for."""
    from fastv.loading import load as module

    load, asked = module.load, []

    def load_standin(name, *arguments, **options):
        asked.append(name)
        entry = find(name)
        source = standin(STANDINS[name]) if entry in CATALOGUE and not entry.embedded else name
        return load(source, *arguments, **options)

    monkeypatch.setattr(module, "load", load_standin)
    return asked


def prepared() -> dict:
    """``model`` and ``inputs``, which the shortest example takes as given."""
    from fastv.loading.load import load
    from fastv.miniature.world.scenes import scene

    loaded = load("mini-7")
    prompt = loaded.family.prompt(loaded.processor, "How many animals are there?")
    inputs = loaded.processor(images=scene(72).picture, text=prompt, return_tensors="pt")
    return {"model": loaded.model, "inputs": inputs}


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("python"))
def test_every_python_example_runs(block, loading, monkeypatch, request):
    monkeypatch.chdir(ROOT)
    names = prepared() if "**inputs" in block else {}
    if "gradio_client" in block:
        import gradio_client

        app, client = request.getfixturevalue("app"), gradio_client.Client
        monkeypatch.setattr(gradio_client, "Client", lambda address: client(app.address, verbose=False))
    exec(compile(block, "example", "exec"), names)
    if "trace" in names:
        kept = re.findall(r"keep=(\d+)", block)  # after the last cut
        assert names["trace"].kept.shape == (1, int(kept[-1]) if kept else 288)
    for line in block.splitlines():  # what a line says it gives: an expression, then "# number"
        if match := re.fullmatch(r"(\w.*?)  # ([\d.e]+)", line):
            assert eval(match[1], names) == pytest.approx(float(match[2]), rel=1e-3)


@pytest.mark.slow
def test_a_comparison_prints_both_sides_and_a_clip_all_its_frames(loading, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    texts = [block.values[0] for block in blocks("python")]
    (one,) = [text for text in texts if 'load("mini-7")' in text and "compare(" in text]
    exec(one, {})
    assert len(capsys.readouterr().out.splitlines()) == 2
    (one,) = [text for text in texts if "open_video" in text]
    exec(one, {})
    lines = capsys.readouterr().out.splitlines()
    assert loading == ["mini-7", "video-llava-7b"]
    assert len(lines) == 8
    assert lines[0].startswith("(0.25,) ")
    assert sum(int(line.split()[1]) for line in lines) == 68


def test_the_recipe_for_a_method_gives_one_that_runs():
    from fastv.pruning.methods.base import Method
    from fastv.pruning.methods.description import check_description

    (block,) = re.findall(
        r"```python\n(.*?)```", textwrap.dedent(DOCUMENTS["CONTRIBUTING.md"]).replace("\n   ", "\n"), re.S
    )
    names = {"Method": Method, "dataclass": dataclass, "__name__": __name__}
    exec("from __future__ import annotations\n" + block, names)
    check_description(names["FirstTokens"])
    given = prepared()
    with names["FirstTokens"](k=2, r=0.5)(given["model"]) as trace:
        given["model"].generate(**given["inputs"], max_new_tokens=2)
    (image,) = trace.kept.tolist()
    assert image == list(range(image[0], image[0] + 288))


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("fastv ")])
def test_every_fastv_command_runs(line, tmp_path, monkeypatch, capsys):
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(line)[1:]
    parsed = main.parser().parse_args(arguments)
    if parsed.command.name == "app":
        return
    if parsed.command.name in ("compare", "sweep"):
        assert parsed.model in EMBEDDED
    few = ["--limit", "1"] if parsed.command.name == "sweep" else []
    assert main.run([*arguments, *few]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("line", [line for line in commands() if "app.py" in line])
def test_every_app_command_is_understood(line):
    arguments = line.split("app.py", 1)[1]
    assert parse_command_line(shlex.split(arguments), {}).model in (None, *[entry.key for entry in CATALOGUE])


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("python -m fastv.")])
def test_every_module_command_has_its_options(line):
    _, _, module, *arguments = shlex.split(line)
    known = help_of(module)
    for option in arguments:
        if option.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(option)}\b", known), option


@functools.cache
def help_of(module: str) -> str:
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        mock.patch.object(sys, "argv", [module, "--help"]),
        pytest.raises(SystemExit) as ended,
    ):
        runpy.run_module(module, run_name="__main__")
    assert not ended.value.code
    return printed.getvalue()


def test_every_command_is_one_that_is_tested():
    known = ("fastv ", "python -m fastv.", "python app.py", ".venv/bin/", "python3 -m venv", "scripts/check", "docker ")
    assert [line for line in commands() if not line.startswith(known)] == []


def test_ci_runs_the_commands_of_the_documentation():
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script
    assert "scripts/check" in script
    assert "<!-- test command -->" in DOCUMENTS["README.md"]
