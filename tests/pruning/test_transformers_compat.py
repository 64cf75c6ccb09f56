"""The cache is found by the name of every Transformers that the project installs with, old and new."""

from __future__ import annotations

import gc
import sys

import pytest
import torch
from transformers import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPast

from fastv import FastV
from fastv.pruning.transformers_compat import cache_in, other_generates
from tests.support.masked_reference import CACHE, PROMPTS, model_of
from tests.support.standins import llava_inputs


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_either_name_is_understood(name):
    cache = DynamicCache()
    assert len(cache) == 0 and cache_in({name: cache, "use_cache": True}) is cache
    assert cache_in({name: None}) is None


def test_no_cache_is_none():
    assert cache_in({}) is None and cache_in(BaseModelOutputWithPast()) is None


def test_an_output_names_its_cache_as_the_forward_does():
    cache = DynamicCache()
    assert cache_in(BaseModelOutputWithPast(**{CACHE: cache})) is cache


@pytest.mark.parametrize("name", sorted({CACHE, "past_key_values"}))
def test_a_caller_may_use_any_name_that_the_model_takes(name):
    """A script written before the cache was renamed reads on from a pruned prompt as one written after it."""
    model, inputs, turn = model_of(), llava_inputs(PROMPTS["one picture"]), torch.tensor([[7, 9]])
    with FastV(k=2)(model), torch.no_grad():
        for part in (model, model.base_model):
            expected, given = (part(input_ids=turn, **{by: cache_in(part(**inputs))})[0] for by in (CACHE, name))
            assert torch.equal(expected, given)


@pytest.mark.parametrize("collects", [True, False])
def test_no_garbage_is_collected_while_other_threads_are_looked_at(collects, monkeypatch):
    """In older Pythons it would wait for itself where it frees a threading.local."""
    look, seen = sys._current_frames, []
    monkeypatch.setattr(sys, "_current_frames", lambda: seen.append(gc.isenabled()) or look())
    was = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        other_generates(torch.nn.Linear(1, 1))
        assert seen == [False] and gc.isenabled() == collects
    finally:
        (gc.enable if was else gc.disable)()
