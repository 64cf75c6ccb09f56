"""The registry: every method describes itself, and one that is added appears wherever methods are listed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import replace

import gradio as gr
import pytest

import fastv
from fastv import FastV
from fastv.app.api import compare as compare_api
from fastv.app.compare.method_choice import options
from fastv.app.shared.deep_link import link_of
from fastv.cli import compare as compare_command
from fastv.cli import sweep as sweep_command
from fastv.errors import InvalidBudgetError
from fastv.families.catalogue import find
from fastv.miniature.evaluation import cli as evaluation_cli
from fastv.presentation import palette, report, script_export
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.attention_method import AttentionMethod
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.description import check_description
from fastv.pruning.methods.registry import METHODS, described, register
from tests.support.comparisons import PRUNED, comparison, pruned
from tests.support.masked_reference import model_of
from tests.support.standins import llava_inputs

MADE_UP = '''
from dataclasses import dataclass

from fastv.pruning.methods.base import Method


@dataclass(frozen=True)
class FirstTokens(Method):
    """Keeps the visual tokens that come first."""

    name = "first_tokens"
    label = "First tokens"
    phrase = "by their place in the prompt"
    paper = ""
    signals = ()
    cuts = "on entering decoder layer K"
    limits = "Looks at nothing."

    def score(self, prompt, signals):
        return -prompt.positions.float()
'''


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A method in a file of its own, registered for the time of a test."""
    (tmp_path / "first_tokens_method.py").write_text(MADE_UP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "first_tokens_method", raising=False)
    from first_tokens_method import FirstTokens  # type: ignore[import-not-found]

    register(FirstTokens)
    yield FirstTokens
    del METHODS["first_tokens"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_describes_itself(name):
    method = METHODS[name]
    check_description(method)
    assert method.name == name and method.__doc__
    assert name.isidentifier() and name.islower()
    assert method.paper == "" or method.paper.startswith("arXiv ")


def test_descriptions_differ():
    for field in ("name", "label", "phrase"):
        assert len({getattr(method, field) for method in METHODS.values()}) == len(METHODS)
    assert [one["name"] for one in described()] == list(METHODS)


@pytest.mark.parametrize("lacking", ["name", "label", "phrase", "paper", "signals", "cuts", "limits", "score"])
def test_a_half_described_method_is_refused_by_name(lacking):
    described_wholly = dict.fromkeys(("name", "label", "phrase", "paper", "cuts", "limits"), "half")
    described_wholly |= {"signals": (), "score": lambda *_: None}
    half = type("HalfDescribed", (Method,), {k: v for k, v in described_wholly.items() if k != lacking})
    with pytest.raises(TypeError, match=f"HalfDescribed.*{lacking}"):
        register(half)
    assert "half" not in METHODS


def test_a_name_that_is_taken_and_an_unknown_signal_are_refused():
    class Other(METHODS["random"]):
        pass

    with pytest.raises(TypeError, match="Other.*RandomTokens"):
        register(Other)

    class Dreams(METHODS["random"]):
        name, signals = "dreams", ("dreams",)

    with pytest.raises(TypeError, match="Dreams.*signals"):
        register(Dreams)

    class Blank(AttentionMethod):
        name, label, phrase, paper = "blank", "Blank", "blankly", ""

    with pytest.raises(TypeError, match="Blank.*attention"):
        register(Blank)


def test_a_method_that_is_added_runs(made_up):
    model, inputs = model_of(), llava_inputs()
    with made_up(k=1, keep=3)(model) as trace:
        model(**inputs)
    assert trace.kept.tolist() == [[6, 7, 8]]
    with PruningConfig("first_tokens", 2, 0.75).build()(model) as trace:
        model(**inputs)
    assert trace.kept.tolist() == [[6, 7, 8, 9]]
    for bad in ({"k": -1}, {"r": 2}, {"keep": 1, "r": 0.5}, {"keep_ratio": "half"}):
        with pytest.raises(InvalidBudgetError):
            made_up(**bad)


def test_a_method_that_is_added_is_offered_everywhere(made_up, monkeypatch, capsys):
    assert link_of({"method": "first_tokens"}).method == "first_tokens"
    assert ".method-first_tokens {" in palette.method_styles()
    with gr.Blocks() as page:
        assert "first_tokens" in [name for _, name in options()]
        compare_api.add(None, None)
    assert "first_tokens" in next(one.fn.__doc__ for one in page.fns.values() if one.api_name == "compare")
    setup = replace(PRUNED, method="first_tokens")
    assert "by their place in the prompt" in report.as_html(comparison(pruned(), pruned(setup=setup)))
    lines = script_export.script(find("mini-7"), "what ?", PruningConfig("first_tokens"), dtype="float32")
    assert 'METHODS["first_tokens"](k=2, r=0.5)' in lines
    monkeypatch.setattr(sys, "argv", ["command", "--help"])
    with pytest.raises(SystemExit):
        evaluation_cli.main()
    assert "first_tokens" in capsys.readouterr().out
    for command in (compare_command, sweep_command):
        parser = ArgumentParser()
        command.COMMAND.add_arguments(parser)
        assert "first_tokens" in parser.format_help()


def test_choices_of_a_command_line_are_checked(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluation", "mini-7", "--method", "none_such"])
    with pytest.raises(SystemExit):
        evaluation_cli.main()
    assert "none_such" in capsys.readouterr().err


@pytest.mark.parametrize("rank, name", [("last_token", "fastv"), ("mean", "fastv_mean"), ("random", "random")])
def test_rank_makes_the_method_it_names(rank, name):
    with pytest.deprecated_call():
        made = FastV(1, 0.25, rank=rank, seed=3)
    assert made == METHODS[name](1, 0.25, seed=3)
    with pytest.deprecated_call():
        assert FastV(1, 0.25, rank, 3) == made
    with pytest.raises(InvalidBudgetError, match="rank"):
        FastV(rank="first")


@pytest.mark.parametrize("method", METHODS.values())
def test_the_amount_is_given_in_one_of_three_ways(method):
    assert method().kept_of(10) == 5 and method(r=0.25).kept_of(10) == round(7.5)
    assert (
        method(keep_ratio=0.3).kept_of(10) == 3 and method(keep=4).kept_of(10) == 4 and method(keep=99).kept_of(7) == 7
    )
    for twice in ({"r": 0.5, "keep": 3}, {"keep_ratio": 0.5, "keep": 3}, {"r": 0.5, "keep_ratio": 0.5}, {"r": None}):
        with pytest.raises(InvalidBudgetError, match="keep_ratio"):
            method(**twice)
    for bad in ({"keep": -1}, {"keep": 1.5}, {"keep": True}, {"keep_ratio": 1.5}, {"keep_ratio": float("nan")}):
        with pytest.raises(InvalidBudgetError, match=next(iter(bad))):
            method(**bad)
    assert replace(method(keep=3), k=1) == method(k=1, keep=3) and replace(method(k=3, r=0.2), r=0.4) == method(
        k=3, r=0.4
    )


def test_public_names():
    assert fastv.METHODS is METHODS and fastv.FastV is METHODS["fastv"] and fastv.PruningConfig is PruningConfig
    assert {"FastV", "METHODS", "Trace"} <= set(fastv.__all__)
