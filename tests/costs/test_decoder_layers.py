"""Costs of layers that see a window, against what torch counts and what their cache holds."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from fastv.costs.decoder_layers import mean_keys
from fastv.costs.flops import cost
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.transformers_compat import cache_in
from tests.support.family_standins.gemma3 import TOKENS
from tests.support.flop_counter import counter
from tests.support.standins import FURTHER_STANDINS, IMAGE_TOKEN, PICTURE


@pytest.mark.parametrize("steps, window", [(0, 0), (7, 0), (7, 5), (7, 24), (7, 99), (0, 24)])
def test_mean_keys_are_the_mean_over_the_steps(steps, window):
    seen = [min(20 + step, window or 99) for step in range(1, max(steps, 1) + 1)]
    assert mean_keys(20, steps, window) == pytest.approx(sum(seen) / len(seen))


@pytest.mark.parametrize("k, r", [(None, 0.0), (1, 0.5)])
def test_sliding_layers_cache_their_window_and_decode_attends_to_it(k, r):
    """The window is longer than the pruned prompt, and shorter than it is with its answer."""
    standin, answer = FURTHER_STANDINS["gemma3"], 9
    model, inputs = standin.model(width=64), standin.inputs([(5, PICTURE, 7)])
    text = inputs["input_ids"].shape[1] - TOKENS
    options = dict(do_sample=False, return_dict_in_generate=True, suppress_tokens=[2, IMAGE_TOKEN])
    expected = cost(
        model.config, text_tokens=text, visual_tokens=TOKENS, answer_tokens=answer, k=k, r=r, dtype="float32"
    )

    def generate(tokens):
        with counter() as count, torch.no_grad():
            out = model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, **options)
        return count.get_total_flops(), cache_in(out)

    with METHODS["random"](k=k, r=r)(model) if k is not None else nullcontext():
        (prefill, _), (whole, cache) = generate(1), generate(answer)
    assert prefill == pytest.approx(expected.prefill_flops, rel=0.01)
    assert whole - prefill == pytest.approx(expected.decode_flops, rel=1e-4)
    assert sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers) == expected.kv_cache_bytes
