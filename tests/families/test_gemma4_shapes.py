"""Sizes and costs of Gemma 4, whose layers differ, against models of its classes and what torch counts."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from transformers import Gemma4Config
from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size

from fastv.costs.flops import cost
from fastv.families.catalogue import CATALOGUE
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.transformers_compat import cache_in
from tests.families.test_gemma4 import IMAGE, OPTIONS, inputs_of, model_of
from tests.support.flop_counter import counter

ENTRIES = [entry for entry in CATALOGUE if entry.key.startswith("gemma-4")]
BILLIONS = {"gemma-4-e2b": 5.1, "gemma-4-e4b": 7.9, "gemma-4-26b-a4b": 25.8, "gemma-4-31b": 31.3}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_config_objects_and_files_tell_the_same_sizes(entry):
    settings = {name: value for name, value in entry.config.items() if name != "model_type"}
    assert read_shape(Gemma4Config(**settings)).parameters == entry.parameters
    assert round(entry.parameters / 1e9, 1) == BILLIONS[entry.key]


@pytest.mark.parametrize("size", [(1024, 1024), (480, 640), (300, 2048), (1080, 1920), (50, 3000), (3000, 50)])
def test_visual_tokens_are_the_processors(size):
    shape = read_shape(ENTRIES[0].config)
    height, width = get_aspect_ratio_preserving_size(*size, 16, 280 * 9, 3)
    assert shape.picture_tokens(*size) == height * width // 48**2 <= 280
    assert shape.encoded_tokens(256, 1) == 280 and shape.encoded_tokens(600, 2) == 2 * 560


@pytest.mark.slow
@pytest.mark.parametrize("k, r", [(None, 0.0), (1, 0.5)])
@pytest.mark.parametrize("kind", ["shared", "both ways", "experts"])
def test_prefill_decode_and_cache_are_what_torch_counts(kind, k, r):
    model, inputs, answer = model_of(kind), inputs_of([(5, (40, 24), 7)]), 9
    model.set_experts_implementation("eager")  # torch does not count grouped products
    visual = int((inputs["input_ids"] == IMAGE).sum())
    expected = cost(
        model.config,
        text_tokens=inputs["input_ids"].shape[1] - visual,
        visual_tokens=visual,
        encoded_tokens=family_for("gemma4").encoded_tokens(model.config, inputs),
        answer_tokens=answer,
        k=k,
        r=r,
        dtype="float32",
    )

    def generate(tokens):
        with counter() as count, torch.no_grad():
            out = model.generate(**inputs, **OPTIONS | dict(max_new_tokens=tokens, min_new_tokens=tokens))
        return count.get_total_flops(), cache_in(out)

    with METHODS["random"](k=k, r=r)(model) if k is not None else nullcontext():
        (prefill, _), (whole, cache) = generate(1), generate(answer)
    assert prefill == pytest.approx(expected.prefill_flops, rel=0.01)
    assert whole - prefill == pytest.approx(expected.decode_flops, rel=1e-3)
    stored = [layer for layer in cache.layers if layer.keys is not None]
    assert sum(layer.keys.nbytes + layer.values.nbytes for layer in stored) == expected.kv_cache_bytes
