"""What cannot be served is noticed and refused in a sentence; what can be, is right."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS, FastV
from fastv.errors import InvalidInputError, UnsupportedModelError
from tests.support.masked_reference import CLOSE, GREEDY, dropped_by_masking, dropped_of, model_of, whole_state
from tests.support.standins import IMAGE_TOKEN, llava_inputs, tiny_llava


def labels_of(inputs: dict) -> torch.Tensor:
    return inputs["input_ids"].masked_fill(inputs["input_ids"] == IMAGE_TOKEN, -100)


class TestCompiledModels:
    @pytest.mark.parametrize("k", [0, 2])
    def test_are_refused(self, k):
        compiled = tiny_llava()
        compiled.compile(backend="eager")
        wrapped = torch.compile(tiny_llava(), backend="eager")
        decoder, layer, forward = tiny_llava(), tiny_llava(), tiny_llava()
        decoder.model.language_model.compile(backend="eager")
        layer.model.language_model.layers[3].compile(backend="eager")
        forward.forward = torch.compile(forward.forward, backend="eager")
        for model in (compiled, wrapped, decoder, layer, forward):
            with pytest.raises(UnsupportedModelError, match="compile"), FastV(k=k)(model):
                pass
        eager = tiny_llava()
        eager.load_state_dict(compiled.state_dict())
        with FastV(k=k)(eager):
            pass

    def test_a_layer_that_loses_its_hooks_is_noticed(self):
        model, inputs = tiny_llava(), llava_inputs()
        layer = model.model.language_model.layers[2]
        with METHODS["random"](k=2)(model), torch.no_grad():
            kept, layer._forward_pre_hooks = layer._forward_pre_hooks, {}
            with pytest.raises(UnsupportedModelError, match="layer 2"):
                model(**inputs)
            layer._forward_pre_hooks = kept
            model(**inputs)


def test_gradient_checkpointing_is_refused_where_it_matters():
    model, inputs = tiny_llava(), llava_inputs()
    model.gradient_checkpointing_enable()
    with FastV(k=2)(model):
        model.train()
        with pytest.raises(UnsupportedModelError, match="checkpointing"):
            model(**inputs)
        with torch.no_grad():
            model(**inputs)
        model.eval()
        model(**inputs)


def test_gradients_are_those_of_the_masked_model():
    model, inputs = tiny_llava(), llava_inputs()

    def gradients():
        model.zero_grad()
        model(**inputs, logits_to_keep=3).logits.square().sum().backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    with FastV(k=2)(model) as trace:
        ours = gradients()
    with dropped_by_masking(model, 2, dropped_of(trace, inputs["input_ids"])):
        expected = gradients()
    assert ours.keys() == expected.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-4, rtol=1e-3)


class TestPackedRows:
    def packed(self) -> dict:
        one, other = llava_inputs([(5, 0, 7)], seed=1), llava_inputs([(3, 0, 6)], seed=2)
        return {
            "input_ids": torch.cat([one["input_ids"], other["input_ids"]], dim=1),
            "pixel_values": torch.cat([one["pixel_values"], other["pixel_values"]]),
        }

    @pytest.mark.parametrize("method", [FastV(k=0), FastV(k=2), METHODS["random"](k=1)], ids=str)
    def test_are_refused(self, method):
        model, inputs = model_of(), self.packed()
        first, second = 29, inputs["input_ids"].shape[1] - 29
        length = first + second
        samples = torch.tensor([[1] * first + [2] * second])
        positions = torch.cat([torch.arange(first), torch.arange(second)])[None]
        within = (samples[0][:, None] == samples[0]) & torch.ones(length, length, dtype=torch.bool).tril()
        lowest = torch.finfo(torch.float32).min
        for told in (
            {"position_ids": positions},
            {"attention_mask": within[None, None]},
            {"attention_mask": torch.zeros(1, 1, length, length).masked_fill(~within, lowest)},
            {"attention_mask": samples, "position_ids": torch.arange(length)[None]},
            {"cu_seq_lens_q": torch.tensor([0, first, length])},
        ):
            with method(model), pytest.raises(InvalidInputError, match="several samples"):
                model(**inputs, **told)

    def test_one_sample_after_the_other_in_one_conversation_is_served(self):
        model, inputs = model_of(), self.packed()
        length = inputs["input_ids"].shape[1]
        with FastV(k=2)(model), torch.no_grad():
            plain = model(**inputs).logits
            for told in (
                {"position_ids": torch.arange(length)[None]},
                {"attention_mask": torch.ones(length, length, dtype=torch.bool).tril()[None, None]},
            ):
                torch.testing.assert_close(model(**inputs, **told).logits, plain, **CLOSE)

    def test_padding_may_count_as_it_likes(self):
        model, inputs = model_of(), llava_inputs([(5, 0, 7), (3, 0, 19)])
        positions = (inputs["attention_mask"].cumsum(dim=1) - 1).masked_fill(inputs["attention_mask"] == 0, 1)
        with FastV(k=2)(model), torch.no_grad():
            model(**inputs, position_ids=positions)


def test_nothing_of_all_this_stays_on_the_model():
    model, inputs = tiny_llava(), llava_inputs()
    model.generate(**inputs, **GREEDY)
    before = whole_state(model)
    with FastV(k=2)(model):
        model.generate(**inputs, **GREEDY)
        with pytest.raises(InvalidInputError):
            model(**inputs, labels=labels_of(inputs))
    assert whole_state(model) == before
