"""PyramidDrop: where it cuts, how much, and by what, against whole attention maps of an eager model."""

from __future__ import annotations

import pytest
import torch

from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.families.decoders import llama_like
from fastv.pruning.methods.pyramiddrop import PyramidDrop
from tests.support.cut_by_cut import kept_cut_by_cut, last_row_of
from tests.support.masked_reference import CLOSE, EXACT, GREEDY, PROMPTS, assert_same_answer, cuts_by_masking, model_of
from tests.support.standins import END, IMAGE_TOKEN, ROWS, STANDINS, START, VIDEO_TOKEN, llava_inputs

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=3, suppress_tokens=[2, START, END, *VISUAL])


def test_it_cuts_at_quarters_of_the_depth_by_equal_ratios():
    assert PyramidDrop().schedule(32) == (8, 16, 24) and PyramidDrop().schedule(28) == (7, 14, 21)
    method = PyramidDrop(keep_ratio=1 / 8)
    assert [method.kept_at(cut, 576, 3) for cut in range(3)] == [288, 144, 72]
    assert [PyramidDrop(keep=64).kept_at(cut, 1000, 3) for cut in range(3)] == [400, 160, 64]
    assert [PyramidDrop(r=0).kept_at(cut, 7, 3) for cut in range(3)] == [7, 7, 7]
    assert [PyramidDrop(keep=0).kept_at(cut, 7, 3) for cut in range(3)] == [0, 0, 0]
    assert PyramidDrop(k=5) == PyramidDrop(k=0) == PyramidDrop()


def test_a_decoder_that_is_too_shallow_is_refused():
    model = model_of(layers=2)
    with pytest.raises(InvalidBudgetError), PyramidDrop()(model):
        pass


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("keep_ratio", [0.2, 0.6])
def test_keeps_what_the_entered_layers_own_attention_ranks_highest(key, keep_ratio):
    standin = STANDINS[key]
    inputs = standin.inputs(ROWS[list(standin.prompts)[-1]])
    model, eager = standin.model(), standin.model("eager")
    with PyramidDrop(keep_ratio=keep_ratio)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    assert [layer for layer, _ in trace.kept_after_each_cut] == [1, 2, 3]
    found = kept_cut_by_cut(trace)
    wanted = kept_cut_by_cut(eager, inputs, trace.kept_after_each_cut, last_row_of, *VISUAL)
    assert found == wanted
    with cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


@pytest.mark.parametrize("attention", ["eager", "flash_stand_in"])
def test_on_another_kernel_and_without_a_cache(attention, monkeypatch):
    model, inputs = model_of(kv_heads=2), llava_inputs(PROMPTS["one and two pictures"])
    with PyramidDrop(keep=5)(model) as trace:
        expected, kept = model.generate(**inputs, **GREEDY), kept_cut_by_cut(trace)
        uncached = model.generate(**inputs, **GREEDY, use_cache=False)
    with PyramidDrop(keep=5)(model) as trace, monkeypatch.context() as patched:
        patched.setattr(model.config.text_config, "_attn_implementation", attention)
        output = model.generate(**inputs, **GREEDY)
    assert kept_cut_by_cut(trace) == kept
    assert_same_answer(output, expected, **CLOSE)
    assert_same_answer(uncached, expected, **CLOSE)


def test_rows_of_a_batch_choose_as_they_would_alone():
    model, rows = model_of(), PROMPTS["one and two pictures"]
    inputs = llava_inputs(rows)
    with PyramidDrop(keep=6)(model) as trace, torch.no_grad():
        model(**inputs)
        together = trace.kept.tolist()
        first = int(inputs["attention_mask"][0].argmax())
        alone = {name: inputs[name][:1, first:] for name in ("input_ids", "attention_mask")}
        model(**alone, pixel_values=inputs["pixel_values"][:1])
    assert [position - first for position in together[0]] == trace.kept[0].tolist()


def test_nothing_dropped_is_bit_identical():
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with PyramidDrop(keep=99)(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)


def test_layers_of_another_build_are_refused(monkeypatch):
    model, inputs = model_of(), llava_inputs()
    monkeypatch.delattr(model.model.language_model.layers[1], "input_layernorm")
    with PyramidDrop()(model), pytest.raises(UnsupportedModelError, match="LlamaDecoderLayer"):
        model(**inputs)


def test_its_own_work_is_the_keys_that_are_dropped():
    decoder = llama_like({"num_key_value_heads": 8})
    flops = PyramidDrop(keep_ratio=1 / 8).own_flops(decoder, 24, 576)
    keys = 2 * (576 - 72) * 4096 * 1024
    queries = 2 * 3 * 4096 * 4096 + 2 * (600 + 312 + 168) * 4096
    assert flops == keys + queries
