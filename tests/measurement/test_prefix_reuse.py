"""Branches of one pass: bit for bit those of passes of their own, whatever the family, the method and the layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fastv import METHODS
from fastv.families.registry import family_of
from fastv.measurement.prefix_reuse import recording, replaying
from fastv.pruning.config import PruningConfig
from fastv.pruning.signals import TOWER
from tests.support.cut_by_cut import PICTURE_METHODS
from tests.support.masked_reference import EXACT, GREEDY, assert_same_answer
from tests.support.standins import END, IMAGE_TOKEN, ROWS, STANDINS, START, VIDEO_TOKEN

OPTIONS = GREEDY | dict(max_new_tokens=4, suppress_tokens=[2, START, END, IMAGE_TOKEN, VIDEO_TOKEN])
CASES = [(key, list(standin.prompts)[index]) for key, standin in STANDINS.items() for index in (0, -1)]
DEPTH = 3
_EVERY = ("llava", "qwen2_5_vl")  # families that meet every method; the others meet one of each kind
BRANCHES = [
    (key, name, method, k)
    for key, name in CASES[1::2]
    for method, k in [
        ("fastv", 1),
        ("random", 0),
        ("pyramiddrop", 3),
        *((one, 3) for one in PICTURE_METHODS if key in _EVERY),
    ]
]
_MADE: dict = {}


def made(key, name):
    """A model, inputs, and the prefix of the pass over them."""
    if (key, name) not in _MADE:
        model, inputs = STANDINS[key].model(), STANDINS[key].inputs(ROWS[name])
        with recording(model, family_of(model), DEPTH, range(DEPTH)) as prefix:
            answer = model.generate(**inputs, **OPTIONS)
        _MADE[key, name] = model, inputs, prefix, answer
    return _MADE[key, name]


def branch(model, inputs, prefix, depth, method=None):
    """Its answer and what was kept; the numbers of the layers that ran, in order; what it took over."""
    ran: list = []
    decoder = family_of(model).decoder(model)
    with replaying(model, family_of(model), prefix, depth) as replay:
        plain = [layer.mlp.forward for layer in decoder.layers]
        for number, layer in enumerate(decoder.layers):
            layer.mlp.forward = lambda *a, number=number, **k: ran.append(number) or plain[number](*a, **k)
        try:
            if method is None:
                return model.generate(**inputs, **OPTIONS), ran, replay
            with method(model) as trace:
                return (model.generate(**inputs, **OPTIONS), trace.kept), ran, replay
        finally:
            for layer in decoder.layers:
                del layer.mlp.forward


@pytest.mark.parametrize("key, name", CASES)
def test_recording_changes_nothing_and_a_branch_without_pruning_repeats_it(key, name):
    model, inputs, prefix, answer = made(key, name)
    assert_same_answer(model.generate(**inputs, **OPTIONS), answer, **EXACT)
    assert len(prefix.layers) == DEPTH
    again, ran, replay = branch(model, inputs, prefix, DEPTH)
    assert_same_answer(again, answer, **EXACT)
    layers = len(family_of(model).decoder(model).layers)
    assert ran[: layers - DEPTH] == list(range(DEPTH, layers))
    assert replay.layers == DEPTH
    assert replay.features


@pytest.mark.parametrize("key, name, method, k", BRANCHES)
def test_a_branch_is_a_pass_of_its_own(key, name, method, k):
    model, inputs, prefix, _ = made(key, name)
    pruned = PruningConfig(method, k, 0.6, seed=5).build()
    cut = pruned.schedule(len(family_of(model).decoder(model).layers))[0]
    with pruned(model) as trace:
        alone = model.generate(**inputs, **OPTIONS)
    (answer, kept), ran, replay = branch(model, inputs, prefix, cut, pruned)
    assert_same_answer(answer, alone, **EXACT)
    assert torch.equal(kept, trace.kept)
    assert replay.layers <= min(cut, DEPTH)
    if TOWER not in pruned.signals:
        assert (replay.layers, ran[0]) == (min(cut, DEPTH),) * 2


def test_the_layer_that_is_ranked_by_does_not_run_either():
    model, inputs, prefix, _ = made(*CASES[0])
    _, ran, replay = branch(model, inputs, prefix, 2, METHODS["fastv"](k=2))
    assert (replay.layers, ran[0]) == (2, 2)


def test_what_is_looked_into_runs_in_full():
    key, name = CASES[0]
    model, inputs, prefix, answer = made(key, name)
    decoder, seen = family_of(model).decoder(model), []
    watched: list[nn.Module] = [decoder.layers[1].self_attn.q_proj, model.get_submodule(STANDINS[key].towers[0])]
    for module in watched:
        hook = module.register_forward_hook(lambda *_: seen.append(1))
        try:
            again, _, replay = branch(model, inputs, prefix, DEPTH)
        finally:
            hook.remove()
        assert_same_answer(again, answer, **EXACT)
        assert seen
        seen.clear()
        assert (replay.layers == DEPTH) != replay.features


def test_a_kernel_that_was_not_recorded_is_observed_all_the_same():
    model, inputs, _, _ = made(*CASES[0])
    with recording(model, family_of(model), DEPTH) as bare:
        model.generate(**inputs, **OPTIONS)
    pruned = METHODS["fastv"](k=2)
    with pruned(model):
        alone = model.generate(**inputs, **OPTIONS)
    (answer, _), ran, replay = branch(model, inputs, bare, 2, pruned)
    assert_same_answer(answer, alone, **EXACT)
    assert (replay.layers, ran[:2]) == (1, [1, 2])


def test_another_prompt_is_not_taken_for_the_recorded_one():
    key, name = CASES[0]
    model, _, prefix, _ = made(key, name)
    others = STANDINS[key].inputs(ROWS[name], seed=9)
    answer, _, replay = branch(model, others, prefix, DEPTH)
    assert_same_answer(answer, model.generate(**others, **OPTIONS), **EXACT)
    assert (replay.layers, replay.features) == (0, False)


def test_a_branch_never_takes_over_more_than_what_is_before_its_cut():
    model, inputs, prefix, _ = made(*CASES[0])
    pruned = METHODS["fastv"](k=1)
    with pruned(model):
        alone = model.generate(**inputs, **OPTIONS)
    (answer, _), ran, replay = branch(model, inputs, prefix, DEPTH, pruned)
    assert_same_answer(answer, alone, **EXACT)
    assert (replay.layers, ran[0]) == (1, 1)


def test_the_model_is_left_as_it_was():
    model, inputs, prefix, _ = made(*CASES[0])
    before = [dict(vars(module)) for module in model.modules()]
    branch(model, inputs, prefix, DEPTH, METHODS["fastv"](k=1))
    for module, known in zip(model.modules(), before):
        assert vars(module).keys() == known.keys()
