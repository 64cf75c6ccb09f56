"""Keys that were computed to rank by are not computed again by the layer they belong to."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS
from tests.support.masked_reference import CLOSE, PROMPTS, model_of
from tests.support.standins import llava_inputs

ROWS = PROMPTS["one and two pictures"]


def projected(model, inputs, monkeypatch, grad=False, hooked=False) -> tuple[list[int], torch.Tensor]:
    """How many rows each call of a layer's ``k_proj`` really computed, and the logits."""
    module, counts = model.model.language_model.layers[2].self_attn.k_proj, []
    linear = torch.nn.functional.linear

    def counted(states, weight, bias=None):
        if weight is module.weight:
            counts.append(states.shape[1])
        return linear(states, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", counted)
    handle = module.register_forward_hook(lambda _module, _args, output: output + 0.1) if hooked else None
    with METHODS["pyramiddrop"](keep=4)(model) as trace, torch.set_grad_enabled(grad):
        logits = model(**inputs, use_cache=False, logits_to_keep=1).logits
    if handle is not None:
        handle.remove()
    monkeypatch.undo()
    assert "forward" not in vars(module)
    assert [layer for layer, _ in trace.kept_after_each_cut] == [1, 2, 3]
    return counts, logits


def test_the_layer_takes_them_over(monkeypatch):
    model, inputs = model_of(), llava_inputs(ROWS)
    once, logits = projected(model, inputs, monkeypatch)
    twice, expected = projected(model, inputs, monkeypatch, grad=True)
    assert len(once) == 1 and len(twice) == 2 and once[0] == twice[0] > twice[1]
    torch.testing.assert_close(logits, expected, **CLOSE)


def test_hooks_see_each_key_of_the_layer_once(monkeypatch):
    model, inputs = model_of(), llava_inputs(ROWS)
    counts, logits = projected(model, inputs, monkeypatch, hooked=True)
    assert len(counts) == 2
    _, expected = projected(model, inputs, monkeypatch, grad=True, hooked=True)
    torch.testing.assert_close(logits, expected, **CLOSE)


def test_a_layer_that_is_given_something_else_computes_its_own(monkeypatch):
    """Where what was dropped from is changed after the choice."""
    model, inputs = model_of(), llava_inputs(ROWS)
    layer = model.model.language_model.layers[2]

    def steered(_layer, args, kwargs):
        return (args[0] + 1, *args[1:]), kwargs

    def answers(grad: bool) -> torch.Tensor:
        with METHODS["pyramiddrop"](keep=4)(model), torch.set_grad_enabled(grad):
            handle = layer.register_forward_pre_hook(steered, with_kwargs=True)
            logits = model(**inputs, use_cache=False, logits_to_keep=1).logits
        handle.remove()
        return logits

    torch.testing.assert_close(answers(False), answers(True), **CLOSE)


@pytest.mark.parametrize("own", [False, True])
def test_the_modules_forward_is_put_back(own):
    model, inputs = model_of(), llava_inputs(ROWS)
    module = model.model.language_model.layers[2].self_attn.k_proj
    forward = module.forward
    if own:  # as accelerate does it
        module.forward = forward
    with METHODS["pyramiddrop"](keep=4)(model), torch.no_grad():
        model(**inputs)
    assert vars(module).get("forward") is (forward if own else None)
