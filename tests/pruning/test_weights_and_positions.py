"""Proportional attention and positions without gaps: equal to full-length models that are masked and changed alike."""

from __future__ import annotations

import copy

import pytest
import torch

from fastv import METHODS, FastV
from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.pruning.transformers_compat import cache_in
from tests.support.cutting_methods import Staged, Weighing
from tests.support.masked_reference import (
    CACHE,
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    cut_by_masking,
    cuts_by_masking,
    cuts_of,
    model_of,
)
from tests.support.standins import END, IMAGE_TOKEN, ROWS, STANDINS, START, VIDEO_TOKEN, llava_inputs

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=4, suppress_tokens=[2, START, END, *VISUAL])
ROWS_OF = [PROMPTS["one picture"], PROMPTS["one and two pictures"], PROMPTS["a long row without picture"]]
LAYERS = [(0,), (2,), (0, 2), (1, 3)]


def reference(model, trace, input_ids, *tokens, weigh=None, **option):
    return cut_by_masking(model, cuts_of(trace, input_ids, *tokens, weigh=weigh), **option)


@pytest.mark.parametrize(
    "option, layers",
    [
        *(({"proportional": True, "close": True}, layers) for layers in LAYERS),
        *((option, layers) for option in ({"proportional": True}, {"close": True}) for layers in ((0,), (1, 3))),
    ],
    ids=str,
)
@pytest.mark.parametrize("prompts", ROWS_OF)
def test_equal_to_the_full_length_model(option, layers, prompts):
    model, inputs = model_of(kv_heads=2), llava_inputs(prompts)
    proportional, positions = option.get("proportional", False), "close" if option.get("close") else "keep"
    method = Staged(r=0.8, layers=layers, proportional=proportional, positions=positions)
    with method(model) as trace:
        output = model.generate(**inputs, **GREEDY)
        uncached = model.generate(**inputs, **GREEDY, use_cache=False)
    with reference(model, trace, inputs["input_ids"], **option):
        expected = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **CLOSE)
    assert_same_answer(uncached, expected, **CLOSE)
    with Staged(r=0.8, layers=layers)(model):
        assert not torch.allclose(model.generate(**inputs, **GREEDY).logits[0], output.logits[0], **CLOSE)


@pytest.mark.parametrize("layers", [(2,), (0, 2)], ids=str)
def test_weights_of_a_methods_own(layers):
    model, inputs = model_of("eager"), llava_inputs(PROMPTS["one and two pictures"])
    with Weighing(r=0.8, layers=layers, proportional=True)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    with reference(model, trace, inputs["input_ids"], proportional=True, weigh=lambda ordinal: ordinal + 1):
        assert_same_answer(output, model.generate(**inputs, **GREEDY), **CLOSE)
    with Weighing(r=0.8, layers=layers)(model), Staged(r=0.8, layers=layers)(model_of()):
        plain = model.generate(**inputs, **GREEDY), model_of().generate(**inputs, **GREEDY)
    assert_same_answer(*plain, **CLOSE)


@pytest.mark.parametrize("key", STANDINS)
def test_proportional_attention_in_every_family(key):
    model, inputs = STANDINS[key].model(), STANDINS[key].inputs(ROWS[list(STANDINS[key].prompts)[-1]])
    with Staged(r=0.8, layers=(1, 2), proportional=True)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    with reference(model, trace, inputs["input_ids"], *VISUAL, proportional=True):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


@pytest.mark.parametrize("key", STANDINS)
def test_positions_of_several_dimensions_are_not_closed(key):
    model, inputs = STANDINS[key].model(), STANDINS[key].inputs(ROWS["three rows"])
    method = Staged(r=0.8, layers=(1, 2), positions="close")
    if key.startswith("qwen"):
        with pytest.raises(UnsupportedModelError, match="dimensions"), method(model):
            pass
        return
    with method(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    with reference(model, trace, inputs["input_ids"], *VISUAL, close=True):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


@pytest.mark.parametrize("option", [{"proportional": True}, {"positions": "close"}], ids=str)
def test_nothing_dropped_is_bit_identical(option):
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with FastV(k=2, r=0, **option)(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)


@pytest.mark.parametrize("layers", [(0,), (0, 2), (1, 3)], ids=str)
def test_a_cache_goes_on_with_its_weights_and_positions(layers):
    """Also inside a ``with`` that would not give it any, with its rows in another order."""
    model, inputs = model_of(), llava_inputs([(5, 0, 7), (3, 0, 19), (4, 0, 3, 0, 6)])
    method, rows = Staged(r=0.8, layers=layers, proportional=True, positions="close"), [2, 0, 0]
    token = torch.tensor([[7, 8], [9, 10], [11, 12]])
    mask = torch.cat([inputs["attention_mask"], torch.ones(3, 2, dtype=torch.long)], dim=1)
    with method(model) as trace, torch.no_grad():
        cache = cache_in(model(**inputs, use_cache=True))
    with Staged(r=0.8, layers=layers)(model), torch.no_grad():
        found = model(input_ids=token, attention_mask=mask, **{CACHE: copy.deepcopy(cache)}).logits
        cache.reorder_cache(torch.tensor(rows))
        moved = model(input_ids=token, attention_mask=mask[rows], **{CACHE: cache}).logits
    with torch.no_grad(), reference(model, trace, inputs["input_ids"], proportional=True, close=True):
        first = cache_in(model(**inputs, use_cache=True))
        second = copy.deepcopy(first)
        expected = model(input_ids=token, attention_mask=mask, **{CACHE: first}).logits
    second.reorder_cache(torch.tensor(rows))
    trace.kept_by_cut = [kept[rows] for kept in trace.kept_by_cut]
    with torch.no_grad(), reference(model, trace, inputs["input_ids"][rows], proportional=True, close=True):
        then = model(input_ids=token, attention_mask=mask[rows], **{CACHE: second}).logits
    torch.testing.assert_close(found, expected, **CLOSE)
    torch.testing.assert_close(moved, then, **CLOSE)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    model, inputs = model_of(dtype=dtype), llava_inputs(PROMPTS["left padding"], dtype=dtype)
    with Staged(r=0.8, layers=(0, 2), proportional=True)(model) as trace, torch.no_grad():
        found = model(**inputs, logits_to_keep=1).logits
    with torch.no_grad(), reference(model, trace, inputs["input_ids"], proportional=True):
        expected = model(**inputs, logits_to_keep=1).logits
    step = torch.finfo(dtype).eps
    torch.testing.assert_close(found, expected, atol=16 * step, rtol=16 * step)


def test_what_cannot_be_served_is_refused(monkeypatch):
    model = model_of()
    with monkeypatch.context() as patched:
        patched.setattr(model.config.text_config, "_attn_implementation", "flash_stand_in")
        with pytest.raises(UnsupportedModelError, match="flash"), FastV(proportional=True)(model):
            pass
        with FastV(positions="close")(model) as trace:
            output = model.generate(**llava_inputs(), **GREEDY)
    with reference(model, trace, llava_inputs()["input_ids"], close=True):
        assert_same_answer(output, model.generate(**llava_inputs(), **GREEDY), **CLOSE)
    with monkeypatch.context() as patched:
        patched.setitem(model.config.text_config.rope_parameters, "rope_type", "dynamic")
        with pytest.raises(UnsupportedModelError, match="length"), FastV(positions="close")(model):
            pass
    for bad in ({"positions": "closed"}, {"positions": None}, {"proportional": 1}, {"per": "row"}):
        with pytest.raises(InvalidBudgetError, match=next(iter(bad))):
            METHODS["random"](**bad)


@pytest.mark.parametrize(
    "method", [FastV(k=2, r=0.75, per="image"), METHODS["random"](k=0, r=0.75, per="image")], ids=str
)
def test_an_amount_for_each_picture(method):
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with method(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    per_picture = [[4], [4, 4]]
    for row, counts in enumerate(per_picture):
        visual, kept = trace.visual_positions[row].tolist(), trace.kept[row][trace.kept[row] >= 0].tolist()
        assert [
            sum(position in kept for position in visual[16 * n : 16 * n + 16]) for n in range(len(counts))
        ] == counts
        if trace.scores is not None:
            for n in range(len(counts)):
                scores = trace.scores[row, 16 * n : 16 * n + 16]
                best = [visual[16 * n + one] for one in scores.topk(4).indices.tolist()]
                assert set(best) <= set(kept)
    with cuts_by_masking(model, trace, inputs["input_ids"]):
        assert_same_answer(output, model.generate(**inputs, **GREEDY), **CLOSE)
