"""Kept tokens whose hidden states a method replaces: equal to writing them into the full-length model and masking."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch

from tests.support.cutting_methods import Merging, Staged
from tests.support.masked_reference import (
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    cuts_by_masking,
    model_of,
    written,
)
from tests.support.standins import END, IMAGE_TOKEN, ROWS, STANDINS, START, VIDEO_TOKEN, llava_inputs

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=4, suppress_tokens=[2, START, END, *VISUAL])


def merged(before: torch.Tensor, after: torch.Tensor):
    """What ``Merging`` does to a row, by the positions (batch, n) that were there before a cut and are after it."""

    def change(row, states):
        there = [column for column in before[row].tolist() if column >= 0]
        old = states.clone()
        for column in after[row].tolist():
            if column >= 0 and there.index(column) + 1 < len(there):
                states[column] = (2 * old[column] + old[there[there.index(column) + 1]]) / 3
        return states

    return change


def reference(model, trace, input_ids, *tokens):
    stack = ExitStack()
    before = trace.visual_positions
    for (layer, _), after in zip(trace.kept_after_each_cut, trace.kept_by_cut):
        stack.enter_context(written(model, layer, merged(before, after)))
        before = after
    stack.enter_context(cuts_by_masking(model, trace, input_ids, *tokens))
    return stack


@pytest.mark.parametrize("layers", [(0,), (2,), (0, 2), (1, 3)], ids=str)
@pytest.mark.parametrize("prompts", [PROMPTS["one picture"], PROMPTS["one and two pictures"]])
def test_equal_to_writing_them_with_and_without_a_cache(layers, prompts):
    model, inputs = model_of(kv_heads=2), llava_inputs(prompts)
    with Merging(r=0.8, layers=layers)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
        uncached = model.generate(**inputs, **GREEDY, use_cache=False)
    with reference(model, trace, inputs["input_ids"]):
        expected = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **CLOSE)
    assert_same_answer(uncached, expected, **CLOSE)
    with Staged(r=0.8, layers=layers)(model) as same:
        plain = model.generate(**inputs, **GREEDY)
    assert torch.equal(same.kept, trace.kept) and not torch.allclose(plain.logits[0], output.logits[0], **CLOSE)


@pytest.mark.parametrize("key", STANDINS)
def test_in_every_family(key):
    model, inputs = STANDINS[key].model(), STANDINS[key].inputs(ROWS[list(STANDINS[key].prompts)[-1]])
    with Merging(r=0.8, layers=(1, 2))(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    with reference(model, trace, inputs["input_ids"], *VISUAL):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


def test_beams():
    model, inputs, beams = model_of(), llava_inputs(), dict(num_beams=2)
    with Merging(r=0.8, layers=(0, 2))(model) as trace:
        output = model.generate(**inputs, **GREEDY, **beams)
    with reference(model, trace, inputs["input_ids"].repeat_interleave(2, dim=0)):
        assert_same_answer(output, model.generate(**inputs, **GREEDY, **beams), **CLOSE)


def test_nothing_dropped_is_bit_identical():
    model, inputs = model_of(), llava_inputs()
    with Merging(r=0, layers=(0, 2))(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)


def test_gradients_go_through_them():
    model, inputs = model_of(), llava_inputs()

    def gradients():
        model.zero_grad()
        model(**inputs, logits_to_keep=3).logits.square().sum().backward()
        found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        model.zero_grad()
        return found

    with Merging(r=0.8, layers=(1,))(model) as trace:
        ours = gradients()
    with reference(model, trace, inputs["input_ids"]):
        expected = gradients()
    assert ours.keys() == expected.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-3, rtol=1e-3)
