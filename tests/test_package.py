"""The package: what a wheel carries, and that its requirements agree with those of a Space."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fastv import __version__
from fastv.cli.main import run
from fastv.paths import ASSETS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LEFT_OUT = {
    "screenshot.png",
    "scrubber.gif",
    "next",
}  # of assets/: README's pictures, and weights that are not shipped yet


def requirements(lines: list[str]) -> dict[str, set[str]]:
    """Bounds by package, of whatever Python version."""
    found: dict[str, set[str]] = {}
    for line in lines:
        one = Requirement(line)
        found.setdefault(one.name.lower(), set()).update(map(str, one.specifier))
    return found


def declared() -> dict[str, set[str]]:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["app"], *extras["video"]]
    return requirements([line for line in lines if not line.startswith("fastv-explorer")])


def test_the_requirements_of_a_space_are_those_of_the_package_with_all_the_page_offers():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    space, package = requirements([line for line in lines if line]), declared()
    assert space.keys() <= package.keys()
    assert package.keys() - space.keys() <= {"numpy", "jinja2"}  # torch and Gradio bring these
    for name, bounds in space.items():
        assert package[name] <= bounds, name


def test_every_folder_of_assets_is_packed():
    packed = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    tracked = subprocess.run(["git", "ls-files", "assets"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    present = {path.split("/")[1] for path in tracked} or {path.name for path in (ROOT / "assets").iterdir()}
    assert {path.split("/")[1] for path in packed if path.startswith("assets/")} == present - LEFT_OUT
    assert all(target == f"fastv/_data/{source}" for source, target in packed.items())


def test_the_version_stands_in_one_place():
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert (ROOT / PROJECT["tool"]["hatch"]["version"]["path"]).samefile(ROOT / "fastv" / "__init__.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    build = pytest.importorskip("hatchling.build", reason="the build backend is not installed")
    folder = tmp_path_factory.mktemp("dist")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert build
    return folder / done.stdout.split()[-1]


@pytest.mark.slow
def test_a_wheel_works_in_an_empty_folder(wheel, tmp_path):
    installed, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        packed.extractall(installed)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))]
    for suffix in (".css", ".js", ".j2"):
        carried = {path.relative_to(ROOT).as_posix() for path in (ROOT / "fastv").rglob(f"*{suffix}")}
        assert carried
        assert carried <= set(names)
    code = (
        "import sys, fastv; from fastv.paths import ASSETS; from fastv.costs.presets import load_presets\n"
        "from fastv.cli.main import run\n"
        f"assert fastv.__file__.startswith({str(installed)!r}) and str(ASSETS).startswith({str(installed)!r})\n"
        "assert load_presets()[0] and not load_presets()[1]\n"
        "image = str(ASSETS / 'examples' / 'scene.png')\n"
        "assert run(['models']) == 0\n"
        "sys.exit(run(['compare', image, 'How many animals are there?', '--max-new-tokens', '4', '--repeats', '1']))\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "288" in done.stdout
    assert not list(empty.iterdir())


@pytest.mark.slow
def test_without_the_extras_all_but_videos_and_quantized_weights_works(monkeypatch, capsys):
    clip, image = (str(ASSETS / "examples" / name) for name in ("clip.mp4", "scene.png"))
    code = (
        "import sys\n"
        "sys.modules['av'] = sys.modules['bitsandbytes'] = None\n"
        "import fastv.app.page\n"
        "from fastv.errors import InvalidInputError\n"
        "from fastv.inputs.video import open_video\n"
        "try:\n"
        f"    open_video({clip!r})\n"
        "except InvalidInputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "fastv-explorer[video]" in done.stdout
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    question = ["How many animals are there?", "--max-new-tokens", "2", "--repeats", "1"]
    assert run(["compare", image, *question]) == 0
    assert run(["compare", image, *question, "--dtype", "4bit"]) == 1
    said = capsys.readouterr().err
    assert "bitsandbytes" in said and "Traceback" not in said
