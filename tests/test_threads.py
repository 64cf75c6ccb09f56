"""The wait policy of OpenMP's threads: one module, set before torch is loaded, wherever the project starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastv import threads

ROOT = Path(__file__).parents[1]
NAMES = {name for settings in threads.POLICIES.values() for name in settings}
CLEAN = {name: value for name, value in os.environ.items() if name not in NAMES}


def test_importing_it_imports_nothing_heavy():
    code = "import sys, fastv.threads; assert not {'torch', 'numpy', 'gradio', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("policy", threads.POLICIES)
def test_a_policy_sets_its_environment_before_torch_is_loaded(policy, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    environment = {"PATH": "/bin"}
    assert threads.configure(environment, policy)
    assert environment == {"PATH": "/bin"} | dict(threads.POLICIES[policy])


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_the_environment_says_has_the_last_word(name, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    environment = {name: "1"}
    assert not threads.configure(environment, "passive") and environment == {name: "1"}


def test_once_torch_is_loaded_nothing_is_changed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", object())
    environment: dict[str, str] = {}
    assert not threads.configure(environment) and environment == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("-m", "fastv", "--help"),
        ("app.py", "--help"),
        ("-m", "fastv.sweep", "--help"),
        ("-m", "fastv.miniature.evaluation", "--help"),
        ("-m", "fastv.miniature.training", "--help"),
        ("benchmarks/prefill.py", "--help"),
    ],
    ids=" ".join,
)
def test_every_way_to_start_sets_the_policy_before_torch(command, tmp_path):
    """A module in torch's place tells what the environment was when it was imported, or when the command had ended."""
    watcher = tmp_path / "sitecustomize.py"
    watcher.write_text(
        "import atexit, os, sys\n"
        "def tell(*_):\n"
        "    if not hasattr(sys, 'told'):\n"
        "        sys.told = True\n"
        "        names = " + repr(sorted(threads.POLICIES[threads.POLICY])) + "\n"
        "        print('policy', [os.environ.get(name) for name in names], file=sys.stderr)\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': tell()\n"
        "sys.meta_path.insert(0, Watch())\n"
        "atexit.register(tell)\n"
    )
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=CLEAN | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    settings = threads.POLICIES[threads.POLICY]
    assert f"policy {[settings[name] for name in sorted(settings)]}" in done.stderr
