"""The command line as a whole: help, exit codes, streams."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fastv import __version__
from fastv.cli import main, registry
from fastv.cli.command import Command, Output
from fastv.errors import FastVError

ROOT = Path(__file__).parents[2]


def with_command(monkeypatch, run) -> None:
    """Replaces the registry by one command, ``probe``."""
    command = Command("probe", "a probe", "fastv probe", lambda parser: None, run)
    monkeypatch.setattr(main, "COMMANDS", (command,))


@pytest.mark.parametrize("command", registry.COMMANDS, ids=lambda command: command.name)
def test_every_command_describes_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main.run([command.name, "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert command.example in told
    assert "--json" in told
    assert command.example.startswith(f"fastv {command.name}")


def test_the_examples_are_valid_command_lines():
    import shlex

    for command in registry.COMMANDS:
        parsed = main.parser().parse_args(shlex.split(command.example)[1:])
        assert parsed.command.name == command.name


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["app", "--help"], ["sweep", "--help"]])
def test_help_imports_neither_torch_nor_gradio(arguments):
    code = (
        "import sys; from fastv.cli.main import run\n"
        f"try: run({arguments!r})\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'transformers', 'gradio', 'av') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_refusal_is_one_sentence_on_standard_error_and_exit_code_1(monkeypatch, capsys):
    def refuse(arguments):
        raise FastVError("That cannot be done.")

    with_command(monkeypatch, refuse)
    assert main.run(["probe", "--json"]) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == "That cannot be done.\n"


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["cost"], ["cost", "mini-7", "-k", "two"]])
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main.run(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_ctrl_c_is_exit_code_130(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    with_command(monkeypatch, interrupted)
    assert main.run(["probe"]) == 130


def test_json_goes_to_standard_output_alone(monkeypatch, capsys):
    with_command(monkeypatch, lambda arguments: Output({"amount": 1.5, "name": "é"}, "for people"))
    assert main.run(["probe", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"amount": 1.5, "name": "é"}
    assert main.run(["probe"]) == 0
    assert capsys.readouterr().out == "for people\n"


def test_a_registered_command_is_offered(monkeypatch, capsys):
    added = replace(registry.COMMANDS[0], name="made-up", summary="does something new")
    monkeypatch.setattr(main, "COMMANDS", (*registry.COMMANDS, added))
    with pytest.raises(SystemExit):
        main.run(["--help"])
    assert "does something new" in capsys.readouterr().out


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "fastv", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.split() == ["fastv-explorer", __version__]


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m fastv budget llava-1.5-13b | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "0"
    assert done.stderr == ""
