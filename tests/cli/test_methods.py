"""``fastv methods``: the registry, and nothing but the registry."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fastv.cli.main import run
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS, described


def test_every_method_is_listed_as_it_describes_itself(capsys):
    assert run(["methods", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(described()))
    assert {"name", "label", "paper", "signals", "cuts"} <= told[0].keys()
    assert run(["methods"]) == 0
    text = capsys.readouterr().out
    assert all(f"{name}: " in text for name in METHODS)


def test_a_method_that_is_added_is_listed(monkeypatch, capsys):
    @dataclass(frozen=True)
    class MadeUp(Method):
        name = "made_up"
        label = "Made up"
        phrase = "by no rule at all"
        paper = ""
        signals = ()
        cuts = "on entering decoder layer K"
        limits = "none"

    monkeypatch.setitem(METHODS, "made_up", MadeUp)
    assert run(["methods", "--json"]) == 0
    assert "made_up" in [one["name"] for one in json.loads(capsys.readouterr().out)]
