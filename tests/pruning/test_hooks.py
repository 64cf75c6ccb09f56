"""The hooks: gone without a trace afterwards, cheap while they are there, and clear about what they cannot serve."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AttentionInterface, DynamicCache, LlamaModel

from fastv import METHODS, FastV
from fastv.errors import InvalidBudgetError, InvalidInputError, NestingError, UnsupportedModelError
from fastv.pruning.scorers import attention as scorers
from fastv.pruning.transformers_compat import cache_in
from tests.support.masked_reference import CACHE, EXACT, GREEDY, PROMPTS, assert_same_answer, model_of, whole_state
from tests.support.standins import llava_inputs, tiny_llava


class TestLeavesNothingBehind:
    @pytest.mark.parametrize("budget", [FastV(k=0), FastV(k=2), METHODS["fastv_mean"](k=3)], ids=str)
    def test_after_a_run(self, budget):
        model, inputs = model_of(), llava_inputs()
        expected = model.generate(**inputs, **GREEDY)
        before = whole_state(model)
        with budget(model):
            assert whole_state(model) != before
            model.generate(**inputs, **GREEDY)
        assert whole_state(model) == before
        assert_same_answer(model.generate(**inputs, **GREEDY), expected, **EXACT)

    @pytest.mark.parametrize("layer", [0, 1, 2, 3])
    def test_after_an_error_in_a_layer(self, layer):
        model, inputs = model_of(), llava_inputs()
        expected = model.generate(**inputs, **GREEDY)
        before = whole_state(model)
        with pytest.raises(ZeroDivisionError), FastV(k=2)(model):
            handle = model.model.language_model.layers[layer].mlp.register_forward_hook(lambda *_: 1 / 0)
            try:
                model.generate(**inputs, **GREEDY)
            finally:
                handle.remove()
        assert whole_state(model) == before
        assert_same_answer(model.generate(**inputs, **GREEDY), expected, **EXACT)

    @pytest.mark.parametrize("layer", [1, 3])
    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_a_run_after_a_failed_one_is_right(self, error, layer):
        def fail(*_):
            raise error

        model, inputs, text = model_of(), llava_inputs(), llava_inputs([(28,)])
        plain = model.generate(**text, **GREEDY)
        with FastV(k=2)(model):
            expected = model.generate(**inputs, **GREEDY)
            for _ in range(2):
                handle = model.model.language_model.layers[layer].register_forward_hook(fail)
                with pytest.raises(error):
                    model.generate(**inputs, **GREEDY)
                handle.remove()
                if error is ZeroDivisionError:  # the decoder alone: no prompt, nothing to prune
                    embeds = torch.randn(1, 5, 32)
                    assert model.model.language_model(inputs_embeds=embeds).last_hidden_state.shape == embeds.shape
                assert_same_answer(model.generate(**text, **GREEDY), plain, **EXACT)
            assert_same_answer(model.generate(**inputs, **GREEDY), expected, **EXACT)

    @pytest.mark.parametrize("budget", [FastV(k=4), FastV(k=2)], ids=["refused", "nested"])
    def test_after_an_error_on_the_way_in(self, budget):
        model = model_of()
        before = whole_state(model)
        with pytest.raises((InvalidBudgetError, NestingError)), FastV(k=1)(model), budget(model):
            pass
        assert whole_state(model) == before

    @pytest.mark.parametrize("k", [0, 2])
    def test_on_a_cache_that_is_used_again(self, k):
        model, text, cache = model_of(), llava_inputs([(5,), (28,)]), DynamicCache()
        expected = model.generate(**text, **GREEDY)
        with FastV(k=k)(model):
            model.generate(**llava_inputs(PROMPTS["left padding"]), **GREEDY, **{CACHE: cache})
            cache.reset()
            assert_same_answer(model.generate(**text, **GREEDY, **{CACHE: cache}), expected, **EXACT)

    def test_hooks_of_others_stay_and_are_called(self):
        model, inputs, calls = model_of(), llava_inputs(), []
        layers = model.model.language_model.layers
        handles = [layer.register_forward_hook(lambda _, args, out: calls.append(out.shape[1])) for layer in layers]
        try:
            with FastV(k=2)(model):
                model(**inputs)
            assert calls == [29, 29, 21, 21]
            model(**inputs)
            assert calls[4:] == [29] * 4
        finally:
            for handle in handles:
                handle.remove()


class TestRefuses:
    @pytest.mark.parametrize("k", [4, 5, 100])
    def test_a_k_the_model_does_not_have(self, k):
        with pytest.raises(InvalidBudgetError, match="0 to 3"), FastV(k=k)(model_of()):
            pass

    def test_nesting_on_one_model(self):
        model, other = model_of(), tiny_llava(seed=1)
        with FastV()(model), FastV()(other):
            for same in (model, model.model):
                with pytest.raises(NestingError), FastV(k=3)(same):
                    pass
            with pytest.raises(NestingError), FastV()(other):
                pass
        with FastV()(model):
            pass

    def test_models_of_no_family(self):
        for model in (torch.nn.Linear(2, 2), LlamaModel(model_of().config.text_config), None):
            with pytest.raises(UnsupportedModelError, match="prune"), FastV()(model):
                pass

    def test_flex_attention(self):
        with pytest.raises(UnsupportedModelError, match="sdpa"), FastV()(model_of("flex_attention")):
            pass

    def test_a_decoder_of_mixed_layers(self, monkeypatch):
        model, kinds = model_of(), ["full_attention", "chunked_attention"] * 2
        monkeypatch.setattr(model.config.text_config, "layer_types", kinds, raising=False)
        with pytest.raises(UnsupportedModelError, match="chunked"), FastV()(model):
            pass

    def test_more_tokens_than_a_sliding_window(self, monkeypatch):
        model, inputs = model_of(), llava_inputs()
        monkeypatch.setattr(model.config.text_config, "sliding_window", 32, raising=False)
        with FastV()(model):
            model(**inputs)
            with pytest.raises(InvalidInputError, match="32 tokens"):
                model.generate(**inputs, **GREEDY)
            with pytest.raises(InvalidInputError, match="45 tokens"):
                model(**llava_inputs([(5, 0, 0, 7)]))

    def test_a_static_cache(self):
        model = model_of()
        with FastV()(model):
            with pytest.raises(UnsupportedModelError, match="StaticCache"):
                model.generate(**llava_inputs(), **GREEDY, cache_implementation="static")
            model.generate(**llava_inputs([(4,)]), **GREEDY, cache_implementation="static")

    def test_padding_on_the_right(self):
        inputs = llava_inputs(PROMPTS["left padding"])
        for name in ("input_ids", "attention_mask"):
            inputs[name][0] = inputs[name][0].roll(-10)
        with pytest.raises(InvalidInputError, match="left"), FastV()(model_of()):
            model_of()(**inputs)

    def test_a_prompt_that_ends_with_a_picture(self):
        with pytest.raises(InvalidInputError, match="ends with"), FastV()(model_of()):
            model_of()(**llava_inputs([(5, 0)]))

    def test_embeddings_without_ids(self):
        with pytest.raises(InvalidInputError, match="input_ids"), FastV()(model_of()):
            model_of()(inputs_embeds=torch.randn(1, 5, 32))

    @pytest.mark.parametrize("k", [0, 2])
    def test_a_picture_in_a_later_turn(self, k):
        model, inputs = model_of(), llava_inputs()
        with FastV(k=k)(model):
            first = model.generate(**inputs, **GREEDY)
            whole = torch.cat([first.sequences, inputs["input_ids"]], dim=1)
            with pytest.raises(InvalidInputError, match="one prompt"):
                model.generate(
                    input_ids=whole,
                    attention_mask=torch.ones_like(whole),
                    **GREEDY,
                    pixel_values=inputs["pixel_values"],
                    **{CACHE: cache_in(first)},
                )

    def test_a_prompt_read_in_chunks(self):
        for chunk in (20, 25, 40):  # ends in the first picture, between the two, in the second
            with pytest.raises(InvalidInputError, match="chunk"), FastV()(model_of()):
                model_of().generate(**llava_inputs([(5, 0, 6, 0, 4)]), **GREEDY, prefill_chunk_size=chunk)
        for chunk in (23, 28):  # ends in the text after the picture, as a prompt does
            with pytest.raises(InvalidInputError, match="chunk"), FastV()(model_of()):
                model_of().generate(**llava_inputs([(5, 0, 7)]), **GREEDY, prefill_chunk_size=chunk)

    def test_a_cache_pruned_otherwise(self):
        model, inputs = model_of(), llava_inputs(PROMPTS["left padding"])
        with FastV(k=2)(model):
            cache = cache_in(model.generate(**inputs, **GREEDY))
        token = torch.tensor([[7], [8]])
        for k in (0, 1, 3):
            with FastV(k=k)(model), pytest.raises(InvalidInputError, match="layer 2"):
                model(input_ids=token, **{CACHE: cache})
        with FastV(k=2)(model):
            model(input_ids=token, **{CACHE: copy.deepcopy(cache)})
            with pytest.raises(InvalidInputError, match="rows"):
                model(input_ids=token[:1], **{CACHE: cache})
            cache.crop(-20)
            with pytest.raises(InvalidInputError, match="does not fit"):
                model(input_ids=token, **{CACHE: cache})
        cache.reset()
        model(**inputs, **{CACHE: cache})
        with FastV(k=2)(model), pytest.raises(InvalidInputError, match="does not fit"):
            model(input_ids=token, **{CACHE: cache})

    def test_a_whole_conversation_with_k_0(self):
        model = model_of()
        for prompts in (PROMPTS["one picture"], PROMPTS["left padding"]):
            inputs = llava_inputs(prompts)
            with FastV(k=0)(model):
                first = model.generate(**inputs, **GREEDY)
                whole = torch.cat([first.sequences, first.sequences[:, -3:]], dim=1)
                added = torch.ones(len(prompts), whole.shape[1] - inputs["input_ids"].shape[1], dtype=torch.long)
                with pytest.raises(InvalidInputError, match="new tokens alone"):
                    model.generate(
                        input_ids=whole,
                        attention_mask=torch.cat([inputs["attention_mask"], added], dim=1),
                        **{CACHE: cache_in(first)},
                        **GREEDY,
                    )


def test_another_picture_is_another_prompt_though_its_text_goes_on():
    """Without a cache a prompt that is one token longer is taken for the same one, read again for its next token."""
    model, first, second = model_of(), llava_inputs(seed=0), llava_inputs(seed=1)
    longer = torch.cat([first["input_ids"], first["input_ids"][:, -1:]], dim=1)
    second = {"input_ids": longer, "attention_mask": torch.ones_like(longer), "pixel_values": second["pixel_values"]}
    with torch.no_grad():
        with FastV(k=2)(model) as alone:
            expected = model(**second).logits
        with FastV(k=2)(model) as trace:
            model(**first)
            logits = model(**second).logits
    assert torch.equal(trace.kept, alone.kept) and trace.prompt_length == longer.shape[1]
    assert torch.equal(logits, expected)


class TestCostsNothing:
    @pytest.mark.parametrize("method", [METHODS["fastv"], METHODS["fastv_mean"]])
    @pytest.mark.parametrize("use_cache", [True, False])
    def test_no_layer_runs_twice(self, method, use_cache):
        model, calls = model_of(), Counter()
        layers = model.model.language_model.layers
        parts = [part for layer in layers for part in (layer, layer.self_attn, layer.self_attn.k_proj)]
        handles = [part.register_forward_hook(lambda part, *_: calls.update([part])) for part in parts]
        try:
            with method()(model):
                model.generate(**llava_inputs(), **GREEDY, use_cache=use_cache)
        finally:
            for handle in handles:
                handle.remove()
        assert {calls[part] for part in parts} == {GREEDY["max_new_tokens"]}

    @pytest.mark.parametrize("method", [METHODS["fastv"], METHODS["fastv_mean"]])
    def test_no_attention_map_is_built(self, method, monkeypatch):
        monkeypatch.setattr(scorers, "_BLOCK_FLOATS", 1000)
        model, inputs = model_of(), llava_inputs()
        length = inputs["input_ids"].shape[1]

        class Shapes(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                result = function(*args, **kwargs or {})
                seen.update(
                    tuple(part.shape)
                    for part in (result if isinstance(result, (tuple, list)) else [result])
                    if isinstance(part, torch.Tensor) and part.is_floating_point()
                )
                return result

        seen: set = set()
        with method(k=2)(model), Shapes():
            model(**inputs)
        assert (1, length, 32) in seen  # the hidden states went by
        assert not [shape for shape in seen if shape[-2:] == (length, length)]

    def test_the_kernel_stays_the_one_that_was_loaded(self, monkeypatch):
        model, used = model_of(), []
        kernel = AttentionInterface()["sdpa"]
        monkeypatch.setitem(
            AttentionInterface._global_mapping,
            "sdpa",
            lambda module, *args, **kwargs: (
                used.append(getattr(module, "layer_idx", None)) or kernel(module, *args, **kwargs)
            ),
        )
        with FastV(k=2)(model):
            model(**llava_inputs())
        assert [layer for layer in used if layer is not None] == [0, 1, 2, 3]
