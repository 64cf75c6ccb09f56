"""The examples of docs/models.md, followed on a stand-in that a hub on this machine serves under the real name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from fastv.families.catalogue import find
from tests.support import fake_hub as fakehub
from tests.support.hub_layouts import write_as_on_hub
from tests.support.ports import free_port
from tests.support.standins import save_llava_checkpoint

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
ENTRY = find("llava-1.5-7b")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A hub with a small LLaVA in the place of the real one."""
    folder, as_on_hub = tmp_path_factory.mktemp("small") / "model", tmp_path_factory.mktemp("hub") / "model"
    save_llava_checkpoint(folder, width=64, ffn_width=128)
    write_as_on_hub(
        AutoModelForImageTextToText.from_pretrained(folder),
        AutoProcessor.from_pretrained(folder, backend="pil"),
        as_on_hub,
    )
    with fakehub.serving() as hub:
        hub.repositories[ENTRY.repository] = fakehub.Repository(as_on_hub, commit=ENTRY.revision)
        yield hub


def test_the_script_loads_with_progress(served, tmp_path, monkeypatch, capsys):
    fakehub.use(served.address, tmp_path / "cache", monkeypatch)
    names = {}
    exec(blocks("python")[0], names)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Downloading: 0.0 of") and said[-1] == "Loading: 100%"
    assert (names["loaded"].entry, names["loaded"].dtype) == (ENTRY, "4bit")


@pytest.fixture(scope="module")
def environment(served, tmp_path_factory):
    """What makes the real programs ask the hub served here, with an empty cache."""
    dropped = ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN", "TRANSFORMERS_OFFLINE")
    return {name: value for name, value in os.environ.items() if name not in dropped} | {
        "HF_ENDPOINT": served.address,
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "OMP_NUM_THREADS": "1",
    }


def commands(start: str) -> list[list[str]]:
    """The section's commands that begin so, without that beginning."""
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line.removeprefix(start).split() for line in lines if line.startswith(start)]


@pytest.mark.slow
def test_the_download_beforehand_is_all_that_a_machine_without_network_needs(served, environment):
    (line,) = commands(".venv/bin/hf ")
    script = "import sys; from huggingface_hub.cli.hf import main; sys.argv[0] = 'hf'; main()"
    subprocess.run([sys.executable, "-c", script, *line], env=environment, check=True, capture_output=True)
    served.requests.clear()
    load = f"from fastv.loading.load import load; print(load('{ENTRY.key}').entry.revision)"
    done = subprocess.run(
        [sys.executable, "-c", load],
        env=environment | {"HF_HUB_OFFLINE": "1"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == ENTRY.revision and served.requests == []


def longest(lines: list[list[str]]) -> list[str]:
    """The command that the others are a part of."""
    found = max(lines, key=len)
    assert all(set(line) <= set(found) for line in lines)
    return found


@pytest.mark.slow
def test_the_page_opens_with_the_model_it_is_told_and_answers(environment):
    line = longest(commands("python "))
    port = free_port()
    page = subprocess.Popen(
        [sys.executable, *line, "--port", str(port)],
        env=environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said = []
        while not said or (said[-1] and not said[-1].startswith("Open ")):  # an empty line is the end
            said.append(page.stdout.readline())
        assert said[-1].startswith(f"Open http://127.0.0.1:{port}"), "".join(said)
        told = Client(f"http://127.0.0.1:{port}/", verbose=False).predict(
            image=handle_file(str(ROOT / "assets/examples/scene.png")),
            question="how many red ?",
            max_new_tokens=2,
            repeats=1,
            api_name="/compare",
        )
        assert told["model"] == ENTRY.key and told["fastv"]["visual_tokens"] < told["baseline"]["visual_tokens"]
        assert told["fastv"]["dtype"] == ("4bit" if "4bit" in line else "float32")
    finally:
        page.kill()
        page.communicate()
