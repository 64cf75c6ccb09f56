"""Each further family on its stand-in, with pixels through the real towers: pruned answers are those of masking.

At every K, with and without a cache, in padded batches with several pictures and with videos; and what the family says
of its models holds: places of visual tokens, unquantized modules, FLOPs, files.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import METHODS, FastV
from fastv.costs.flops import cost
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from fastv.loading.load import load
from fastv.measurement.masked_reference import dropped_by_masking
from fastv.measurement.model_check import check_loaded
from fastv.measurement.prompt import prompt_of
from tests.support.flop_counter import counted
from tests.support.masked_reference import CLOSE, GREEDY, assert_same_answer
from tests.support.standins import END, FURTHER_STANDINS, PICTURE, QUESTION_WORDS, ROWS, START, WIDE

QUESTION = " ".join(QUESTION_WORDS[:5])
# Every K with padding and several pictures; a single picture and videos, which differ in the prompt alone, at one each.
_TRIED = [*(("three rows", k) for k in range(4)), ("picture", 2), ("video and picture", 1)]
CASES = [(key, name, k) for key, standin in FURTHER_STANDINS.items() for name, k in _TRIED if name in standin.prompts]
CASES += [(key, "video", k) for key, standin in FURTHER_STANDINS.items() for k in range(4) if not standin.mixes]
# In float64 both answers of this kind are equal to the bit; in float32 recurrences and experts enlarge what rounding
# differs by, on some processors beyond CLOSE.
ROUGH = {"qwen3_5_moe": dict(atol=1e-3, rtol=1e-3)}
_MODELS: dict = {}


def model_of(key: str, **shape):
    """One model of each kind for the whole module."""
    kind = key, *sorted(shape.items())
    if kind not in _MODELS:
        _MODELS[kind] = FURTHER_STANDINS[key].model(**shape)
    return _MODELS[kind]


def options(key: str, **more) -> dict:
    model = model_of(key)
    visual = family_for(key).visual_token_ids(model.config)
    return GREEDY | dict(max_new_tokens=3, suppress_tokens=[2, START, END, *visual]) | more


@pytest.mark.parametrize("key, name, k", CASES)
def test_equal_to_masking_with_and_without_a_cache(key, name, k):
    model, family, inputs = model_of(key), family_for(key), FURTHER_STANDINS[key].inputs(ROWS[name])
    visual = family.visual_mask(model, inputs["input_ids"])
    method = FastV(k=k) if k else METHODS["random"](k=0, r=0.5)
    with method(model) as trace:
        output = model.generate(**inputs, **options(key))
        uncached = model.generate(**inputs, **options(key, max_new_tokens=2), use_cache=False)
    dropped = visual.clone()
    for row, kept in zip(dropped, trace.kept):
        row[kept[kept >= 0]] = False
    assert 0 < dropped.sum() < visual.sum()
    close = ROUGH.get(key, CLOSE)
    with dropped_by_masking(family.decoder(model), k, dropped):
        assert_same_answer(output, model.generate(**inputs, **options(key)), **close)
        if k in (0, 2):
            expected = model.generate(**inputs, **options(key, max_new_tokens=2), use_cache=False)
            assert_same_answer(uncached, expected, **close)
    assert not torch.equal(output.logits[0], model.generate(**inputs, **options(key, max_new_tokens=1)).logits[0])


@pytest.mark.parametrize("key", FURTHER_STANDINS)
def test_a_batch_is_its_rows_one_by_one(key):
    standin, model = FURTHER_STANDINS[key], model_of(key)
    rows = ROWS["three rows"]
    with FastV(k=2)(model) as trace, torch.no_grad():
        logits = model(**standin.inputs(rows)).logits[:, -1]
        kept = trace.kept
        for row, segments in enumerate(rows):
            alone = standin.inputs([segments], seed=row)
            padding = standin.inputs(rows)["input_ids"].shape[1] - alone["input_ids"].shape[1]
            torch.testing.assert_close(model(**alone).logits[0, -1], logits[row], **CLOSE)
            assert (trace.kept[0] + padding).tolist() == kept[row][kept[row] >= 0].tolist()


@pytest.mark.parametrize("key", FURTHER_STANDINS)
def test_r_0_is_bit_identical_to_no_pruning(key):
    model, inputs = model_of(key), FURTHER_STANDINS[key].inputs(ROWS["picture"])
    with torch.no_grad():
        whole = model(**inputs).logits
        with FastV(k=1, r=0)(model):
            assert torch.equal(model(**inputs).logits, whole)


@pytest.mark.parametrize("key", FURTHER_STANDINS)
def test_groups_account_for_every_visual_token(key):
    standin, model, family = FURTHER_STANDINS[key], model_of(key), family_for(key)
    inputs = standin.inputs([(5, PICTURE, 3, WIDE, 7), (2, standin.beside_pictures, 4)])
    counts = family.visual_mask(model, inputs["input_ids"]).sum(dim=1).tolist()
    groups = family.visual_groups(model, inputs["input_ids"], counts, inputs)
    assert sum(group.tokens for group in groups) == sum(counts)
    assert all(len(group.places()) == group.tokens for group in groups)


@pytest.mark.parametrize("key", [key for key, standin in FURTHER_STANDINS.items() if standin.costs_known])
@pytest.mark.parametrize("k, r", [(None, 0.0), (1, 0.75)])
@pytest.mark.parametrize("row", [(5, PICTURE, 7), (5, WIDE, 7)], ids=["picture", "wide"])
def test_flops_are_what_torch_counts(key, k, r, row):
    standin, model = FURTHER_STANDINS[key], model_of(key, width=64)
    model.set_experts_implementation("eager")  # torch does not count grouped products
    inputs = standin.inputs([row])
    visual = int(family_for(key).visual_mask(model, inputs["input_ids"]).sum())
    text = inputs["input_ids"].shape[1] - visual
    expected = cost(model.config, text_tokens=text, visual_tokens=visual, answer_tokens=1, k=k, r=r, convention="exact")
    assert read_shape(model.config).parameters == sum(weight.numel() for weight in model.parameters())
    if k is None:
        flops = counted(model, inputs)
    else:
        with METHODS["random"](k=k, r=r)(model):
            flops = counted(model, inputs)
    assert flops["Global"] == pytest.approx(expected.prefill_flops, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("key", FURTHER_STANDINS)
def test_files_load_and_a_picture_becomes_a_pruned_answer(key, tmp_path):
    FURTHER_STANDINS[key].save(tmp_path)
    loaded = load(str(tmp_path), "float32", "cpu")
    noise = np.random.default_rng(0).integers(0, 256, (48, 72, 3), dtype=np.uint8)
    prompt = prompt_of(loaded, Image.fromarray(noise), QUESTION, answer_tokens=2)
    assert (loaded.shape is not None) == FURTHER_STANDINS[key].costs_known
    assert loaded.family is family_for(key)
    assert prompt.visual_tokens == sum(place.tokens for place in prompt.places) > 3
    assert prompt.places[0].grid[0] > 1
    with FastV(k=2, r=0.5)(loaded.model) as trace:
        output = loaded.model.generate(**prompt.inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False)
    assert trace.kept.shape == (1, round(prompt.visual_tokens / 2))
    assert output.shape[1] == prompt.tokens + 2
    found = check_loaded(loaded)
    assert found.exact and found.geometry and found.family == loaded.family.name
