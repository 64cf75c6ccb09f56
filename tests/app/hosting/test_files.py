"""What a Space and a container are built from: README's front matter, requirements, Dockerfile, sizes of files."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from fastv.families.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
FIELDS = {
    "title",
    "emoji",
    "colorFrom",
    "colorTo",
    "sdk",
    "sdk_version",
    "python_version",
    "app_file",
    "suggested_hardware",
    "models",
    "tags",
    "short_description",
    "license",
}


def requirements(python: str) -> dict[str, Requirement]:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    wanted = [Requirement(line) for line in lines]
    return {one.name: one for one in wanted if one.marker is None or one.marker.evaluate({"python_version": python})}


def front_matter() -> dict:
    assert README.startswith("---\n")
    return yaml.safe_load(README.split("---\n")[1])


def test_the_front_matter_is_what_a_space_reads():
    told = front_matter()
    assert set(told) == FIELDS
    assert (
        told["sdk"] == "gradio" and told["license"] == "apache-2.0" and {told["colorFrom"], told["colorTo"]} <= COLOURS
    )
    assert (ROOT / told["app_file"]).is_file() and len(told["short_description"]) <= 60
    assert told["suggested_hardware"] == "cpu-basic" and 0 < len(told["emoji"]) <= 2
    assert set(told["models"]) == {
        entry.source for entry in CATALOGUE if entry.key in ("llava-1.5-7b", "llava-1.5-13b")
    }


def test_its_versions_fit_the_requirements_and_zerogpu():
    told = front_matter()
    python = ".".join(told["python_version"].split(".")[:2])
    wanted = requirements(python)
    assert told["python_version"] == "3.12.12"
    assert told["sdk_version"] in wanted["gradio"].specifier
    torch = wanted["torch"].specifier
    assert all(version in torch for version in ("2.8.0", "2.9.1", "2.10.0", "2.11.0")) and "2.12.0" not in torch
    assert (
        "2.13.0+cpu" in requirements("3.11")["torch"].specifier
        and "2.14.0" not in requirements("3.11")["torch"].specifier
    )


def test_each_package_is_asked_for_once_and_those_that_are_imported_are_asked_for():
    names = {"PIL": "pillow"}
    asked = set(requirements("3.12"))
    # by torch, gradio, jinja2 and transformers
    brought = {
        "numpy",
        "markupsafe",
        "starlette",
        "gradio_client",
        "safetensors",
        "tokenizers",
        "huggingface_hub",
        "tqdm",
    }
    own = {"fastv", "spaces"}  # spaces: there on a Space, needed nowhere else
    imported = set()
    for path in [ROOT / "app.py", *(ROOT / "fastv").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    import sys

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    optional = {re.split(r"[\[<>=;, ]", one)[0].replace("-", "_") for group in extras.values() for one in group}
    known = set(sys.stdlib_module_names) | asked | brought | own | optional
    missing = {names.get(name, name) for name in imported} - known
    assert missing == set()


def test_no_file_needs_large_file_storage():
    try:
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this copy of the project is no git repository")
    sizes = {name: (ROOT / name).stat().st_size for name in tracked.split("\0") if name and (ROOT / name).is_file()}
    assert len(sizes) > 50 and {name: size for name, size in sizes.items() if size > 10_000_000} == {}


def dockerfile() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_container_holds_the_app_and_nothing_else():
    copied = [word for order, rest in dockerfile() if order == "COPY" for word in rest.split()[:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*" and {line[1:] for line in ignored if line.startswith("!")} == set(copied)
    # What the app reads at run time, by the folders named in its code.
    assert {"app.py", "fastv", "assets", "presets", "requirements.txt"} <= set(copied)


def test_the_container_runs_the_readmes_command_as_an_ordinary_user():
    orders = dockerfile()
    users = [rest for order, rest in orders if order == "USER"]
    assert users == ["app"] and any(
        "useradd" in rest and rest.endswith(" app") for order, rest in orders if order == "RUN"
    )
    assert [order for order, _ in orders].index("USER") > max(
        number for number, (order, _) in enumerate(orders) if order in ("COPY", "RUN")
    )
    (command,) = [json.loads(rest) for order, rest in orders if order == "CMD"]
    assert command == ["python", "app.py"]
    (health,) = [rest for order, rest in orders if order == "HEALTHCHECK"]
    (port,) = [rest for order, rest in orders if order == "EXPOSE"]
    assert f"127.0.0.1:{port}/healthz" in health
    code = json.loads(health.split("CMD ", 1)[1])[2]
    compile(code, "healthcheck", "exec")
    settings = dict(word.split("=") for order, rest in orders if order == "ENV" for word in rest.split())
    assert settings["FASTV_PORT"] == port and settings["FASTV_HOST"] == "0.0.0.0"
    assert f"{port}:{port}" in (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")


def test_the_containers_python_is_the_spaces():
    (base,) = [rest for order, rest in dockerfile() if order == "FROM"]
    assert front_matter()["python_version"].startswith(re.fullmatch(r"python:(\d+\.\d+)-slim", base)[1])
