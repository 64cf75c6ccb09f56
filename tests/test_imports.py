"""Imports run one way, and arithmetic needs neither torch nor transformers."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastv

ROOT = Path(fastv.__file__).resolve().parents[1]
# Read a checkpoint's files, by the libraries' own classes: imported inside functions of the families.
_WITH_TORCH = {
    f"fastv.families.{name}"
    for name in (
        "processors",
        "videos",
        "lfm2_vl_pictures",
        "molmo2_pictures",
        "perception_lm_pictures",
        "pixtral_processor",
    )
}


def modules_of(package: str) -> list[str]:
    folder = ROOT.joinpath(*package.split("."))
    return [package, *(found.name for found in pkgutil.walk_packages([str(folder)], f"{package}."))]


def test_the_contracts_hold():
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("package", ["fastv.costs", "fastv.families", "fastv.evidence"])
def test_importing_it_imports_no_torch(package):
    names = [name for name in ("fastv", *modules_of(package)) if name not in _WITH_TORCH]
    code = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        "assert not {'torch', 'transformers', 'gradio', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
