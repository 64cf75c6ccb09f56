"""The operator's switches: command line, environment, defaults, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from fastv.app.hosting.settings import Settings, parse_command_line, variable
from fastv.measurement.compare import MAX_ANSWER_TOKENS

ROOT = Path(__file__).resolve().parents[3]
NAMES = [field.name for field in fields(Settings)]
SAMPLES = {
    "model": "llava-1.5-7b",
    "dtype": "4bit",
    "host": "0.0.0.0",
    "port": "8000",
    "real_models": "no",
    "log": "runs.log",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_switch_is_read_from_both_places_and_the_command_line_wins(name):
    default = getattr(Settings(), name)
    if isinstance(default, bool):
        assert getattr(parse_command_line([flag(name)], {}), name) is True
        assert getattr(parse_command_line([], {variable(name): "1"}), name) is True
        assert getattr(parse_command_line([flag(name)], {variable(name): "no"}), name) is True
        assert getattr(parse_command_line([f"--no-{flag(name)[2:]}"], {variable(name): "yes"}), name) is False
        return
    one, other = SAMPLES.get(name, "7"), SAMPLES.get(name, "9")
    if name in ("picture_pixels", "picture_bytes", "forget_seconds"):
        one, other = "2000", "3000"
    kind = type(default) if default is not None else int if name in ("port", "trust_proxy") else str
    assert getattr(parse_command_line([flag(name), one], {}), name) == kind(one) != default
    assert getattr(parse_command_line([], {variable(name): one}), name) == kind(one)
    assert getattr(parse_command_line([flag(name), one], {variable(name): other}), name) == kind(one)


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def test_nothing_said_is_the_default_and_settings_do_not_change():
    assert parse_command_line([], {}) == parse_command_line([], {variable("queue"): " "}) == Settings()
    with pytest.raises(FrozenInstanceError):
        Settings().queue = 3
    assert Settings().answer_tokens == MAX_ANSWER_TOKENS


def test_one_visitor_cannot_wait_more_often_than_the_line_is_long():
    assert parse_command_line(["--queue", "2"], {}).waiting_per_visitor == 2


@pytest.mark.parametrize(
    "arguments, environment, words",
    [
        (["--queue", "0"], {}, "--queue must be a whole number from 1 to 1,000, not “0”."),
        (["--queue", "many"], {}, "not “many”"),
        (["--port", "99999"], {}, "65,535"),
        ([], {"FASTV_RUN_SECONDS": "-1"}, "FASTV_RUN_SECONDS must be a whole number from 0 to 86,400"),
        ([], {"FASTV_SHARE": "perhaps"}, "FASTV_SHARE must be yes or no"),
        (["--dtype", "float8"], {}, "--dtype must be one of auto"),
        (["--real-models", "some"], {}, "auto, yes, no"),
        (["--picture-bytes", "99999999999"], {}, "20,000,000"),
        (["--forget-seconds", "9999"], {}, "3,600"),
        (["--colour", "red"], {}, "--colour"),
        (["--queue"], {}, "expected one argument"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(arguments, environment, words, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_command_line(arguments, environment)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and words in said and said.count("\n") == 1 and "--help" in said


def test_help_names_every_switch_with_its_variable():
    said = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    plain = re.sub(r"\s+", " ", said)
    for name in NAMES:
        assert flag(name) in plain and f"[{variable(name)}]" in plain, name


def test_help_waits_for_no_library():
    lines = (
        "import sys, app\nsys.argv = ['app.py', '--help']\ntry: app.main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'gradio', 'transformers'} & set(sys.modules), 'slow'"
    )
    subprocess.run([sys.executable, "-c", lines], cwd=ROOT, check=True, capture_output=True)
