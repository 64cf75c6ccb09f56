"""Costs of decoders in which some layers keep a state, against models of their classes and what torch counts."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen3_5Config

from fastv import METHODS
from fastv.costs.flops import cost
from fastv.errors import InvalidBudgetError
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape
from fastv.measurement.memory import cache_bytes
from fastv.pruning.config import PruningConfig
from fastv.pruning.transformers_compat import cache_in
from tests.families.test_qwen3_5 import KINDS, OPTIONS, VISUAL, model_of
from tests.support.family_standins.qwen_vl import qwen_text
from tests.support.flop_counter import counter
from tests.support.standins import FURTHER_STANDINS, WIDE


@pytest.mark.parametrize("key, k, r", [("qwen3_5", 2, 0.5), ("qwen3_5_moe", 5, 0.5)])
def test_prefill_decode_and_cache_are_what_torch_counts(key, k, r):
    """All but the recurrence's own steps, which are no products of matrices where torch takes them one by one; and of
    their convolutions torch computes a second output, which nothing uses.
    """
    model, inputs, answer = model_of(key), FURTHER_STANDINS[key].inputs([(5, WIDE, 7)]), 3
    model.set_experts_implementation("eager")  # torch does not count grouped products
    visual = int(torch.isin(inputs["input_ids"], VISUAL).sum())
    text, shape = inputs["input_ids"].shape[1] - visual, read_shape(model.config)
    expected = cost(shape, text_tokens=text, visual_tokens=visual, answer_tokens=answer, k=k, r=r, dtype="float32")

    def generate(tokens):
        with counter() as count, torch.no_grad():
            out = model.generate(**inputs, **OPTIONS | dict(max_new_tokens=tokens, min_new_tokens=tokens))
        return count.get_total_flops(), cache_in(out)

    with METHODS["random"](k=k, r=r)(model):
        (prefill, _), (whole, cache) = generate(1), generate(answer)
    linear = shape.decoder.layer(0)
    each = 3 * linear.value_heads * linear.key_width * linear.value_width - linear.channels * linear.kernel
    steps = 2 * (answer - 1) * KINDS.count("linear_attention") * each
    assert prefill == pytest.approx(expected.prefill_flops, rel=0.01)
    assert whole - prefill + steps == pytest.approx(expected.decode_flops, rel=1e-3)
    stored = [layer.keys.nbytes + layer.values.nbytes for layer in cache.layers if hasattr(layer, "keys")]
    stored += [
        layer.conv_states[0].nbytes + layer.recurrent_states[0].nbytes
        for layer in cache.layers
        if not hasattr(layer, "keys")
    ]
    assert sum(stored) == expected.kv_cache_bytes == cache_bytes(cache)


def test_what_cannot_rank_has_no_cost():
    shape = read_shape(REFERENCE_CONFIGS["qwen3.5-9b"])
    for method, k in (("fastv", 2), ("fastv_norope", 3)):
        with pytest.raises(InvalidBudgetError, match="k=4 or more"):
            PruningConfig(method, k).cost_arguments(shape, 36, 576)
    for method, k in (("fastv", 0), ("fastv", 4), ("random", 2)):
        assert PruningConfig(method, k).cost_arguments(shape, 36, 576)["k"] == k


def test_sizes_of_real_proportions_cost_what_torch_counts():
    """The 9B an eighth as wide, with as many heads of an eighth: each part's share is the real one's."""
    sizes = dict(width=512, ffn_width=1536, layers=4, heads=16, kv_heads=4, layer_types=KINDS[:4])
    linear = dict(linear_key_head_dim=16, linear_value_head_dim=16, linear_num_key_heads=16, linear_num_value_heads=32)
    text = qwen_text(**sizes) | linear | dict(head_dim=32, vocab_size=31_040)
    config = Qwen3_5Config(text_config=text | dict(rope_parameters=None)).get_text_config()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        with counter() as count:
            model(torch.zeros(1, 700, dtype=torch.long), logits_to_keep=1)
    expected = cost(config, text_tokens=700, visual_tokens=0, answer_tokens=1, k=None, r=0)
    assert count.get_total_flops() == pytest.approx(expected.prefill_flops, rel=0.01)
    assert read_shape(config).parameters == sum(weight.numel() for weight in model.parameters())
