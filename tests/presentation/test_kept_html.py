"""What was kept: how many, how chosen, and which layers see what."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fastv.presentation.kept_html import kept, kept_placeholder
from fastv.presentation.side_labels import side_labels
from fastv.pruning.methods.registry import METHODS
from tests.support.comparisons import HOSTILE, PLAIN, PRUNED, Tags, pruned, words

ATTENTION_PHRASES = [method.phrase for method in METHODS.values() if method.signals]


def said(setup, **fields) -> str:
    """The text, on one line."""
    label = side_labels(PLAIN, setup)[1]
    return re.sub(r"\s+", " ", words(kept(pruned(setup=setup, **fields), label)))


@pytest.mark.parametrize("k, method", [(2, "fastv"), (3, "random"), (1, "fastv_mean"), (5, "fastv_mean")])
def test_how_many_and_how_they_were_chosen(k, method):
    text = said(replace(PRUNED, k=k, method=method))
    assert "2 of 4" in text and METHODS[method].phrase in text
    assert (f"layer {k - 1}" in text.split(".")[0]) == bool(METHODS[method].signals)
    assert f"{k - 1}" in text.split(".", 1)[1]  # the last layer that sees all


@pytest.mark.parametrize("method", ["fastv", "fastv_mean"])
def test_before_layer_0_there_is_nothing_to_rank_by(method):
    text = said(replace(PRUNED, k=0, method=method))
    assert METHODS["random"].phrase in text
    assert not any(phrase in text for phrase in ATTENTION_PHRASES)


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("grid, count", [(((0, 0), (0, 0)), 0), (((1, 1), (1, 1)), 4)])
def test_nothing_kept_and_nothing_dropped_are_not_said_to_be_chosen(grid, count, k):
    text = said(replace(PRUNED, k=k), kept=grid)
    assert f"{count} of 4" in text
    assert not any(method.phrase in text for method in METHODS.values())


def test_foreign_text_is_never_markup():
    setup = replace(PRUNED, model=HOSTILE, name=HOSTILE)
    html = kept(pruned(setup=setup), side_labels(PLAIN, setup)[1])
    assert not any(tag == "img" for tag, _ in Tags(html).tags)
    assert HOSTILE in "".join(Tags(html).words)


def test_before_a_run_nothing_is_claimed():
    assert not re.search(r"\d", words(kept_placeholder()))
