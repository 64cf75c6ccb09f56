"""``fastv methods``: the registry, and nothing but the registry."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from fastv.app.api.choices import methods
from fastv.cli.main import run
from fastv.errors import InvalidInputError
from fastv.families.catalogue import find
from fastv.families.registry import family_for
from fastv.paths import ASSETS
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS, described
from fastv.pruning.unserved import described_for, unserved


def test_every_method_is_listed_as_it_describes_itself(capsys):
    assert run(["methods", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(described()))
    assert {"name", "label", "paper", "signals", "cuts"} <= told[0].keys()
    assert run(["methods"]) == 0
    text = capsys.readouterr().out
    assert all(f"{name}: " in text for name in METHODS)


def test_what_a_model_cannot_do_is_told(capsys):
    assert run(["methods", "--model", "glm-4.1v-9b", "--json"]) == 0
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    refused = unserved(family_for("glm4v"))
    assert (
        "visionzip" in refused and {name: one["unserved"] for name, one in told.items() if one["unserved"]} == refused
    )
    assert run(["methods", "--model", "qwen2-vl-2b"]) == 0
    assert "The option positions is not for qwen2-vl-2b" in capsys.readouterr().out
    assert run(["methods", "--model", "some/model"]) == 1
    assert methods("mini-13")["methods"] == described_for(find("mini-13"))
    with pytest.raises(InvalidInputError):
        methods(str(ASSETS / "models" / "mini-7"))


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
