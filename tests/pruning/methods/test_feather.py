"""FEATHER: its two cuts against attention without rotary positions, computed from the hidden states by plain loops."""

from __future__ import annotations

from math import exp

import pytest
import torch

from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.families.decoders import llama_like
from fastv.families.registry import family_of
from fastv.pruning.methods.feather import Feather
from tests.support.cut_by_cut import kept_cut_by_cut
from tests.support.masked_reference import CLOSE, EXACT, GREEDY, PROMPTS, assert_same_answer, cuts_by_masking, model_of
from tests.support.standins import IMAGE_TOKEN, llava_inputs


def test_where_and_how_much_it_cuts():
    method = Feather(keep_ratio=0.09)
    assert method.schedule(32) == (8, 16) and method.schedule(4) == (1, 2) and method.schedule(3) == (1, 2)
    assert method.kept_of(576) == 52
    ranked = (576 * 52) ** 0.5  # 30%
    assert [method.kept_at(cut, 576, 2) for cut in range(2)] == [round(ranked + 64 * (1 - ranked / 576)), 52]
    for count in (0, 1, 9, 100):
        for keep in range(count + 1):
            left = [count, *(Feather(keep=keep).kept_at(cut, count, 2) for cut in range(2))]
            assert left == sorted(left, reverse=True) and left[-1] == keep


def unrotated(model):
    """The last token's attention among visual tokens in the layer before, from what enters that layer."""

    def rank(output, layer, row, positions):
        if not positions:
            return []
        block = model.model.language_model.layers[layer - 1]
        entering = block.input_layernorm(output.hidden_states[layer - 1][row])
        heads, width = 4, 8
        query = block.self_attn.q_proj(entering[-1]).view(heads, width).double()
        keys = block.self_attn.k_proj(entering[positions]).view(len(positions), -1, width).double()
        scores = [0.0] * len(positions)
        for head in range(heads):
            logits = [float(query[head] @ key[head * len(key) // heads]) / width**0.5 for key in keys]
            total = sum(exp(each - max(logits)) for each in logits)
            for i, each in enumerate(logits):
                scores[i] += exp(each - max(logits)) / total / heads
        return scores

    return rank


@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("stride", [2, 3])
def test_keeps_an_even_sample_and_then_by_rank(prompts, stride):
    model, eager = model_of(kv_heads=2), model_of("eager", kv_heads=2)
    inputs = llava_inputs(prompts)
    with Feather(keep_ratio=0.2, stride=stride)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    visual = [ids.eq(IMAGE_TOKEN).nonzero()[:, 0].tolist() for ids in inputs["input_ids"]]

    def rank(output, layer, row, positions):
        scores = unrotated(eager)(output, layer, row, positions)
        if layer > 1:
            return scores
        places = [visual[row].index(position) % 16 for position in positions]
        return [score + (place // 4 % stride == place % 4 % stride == 0) for score, place in zip(scores, places)]

    assert kept_cut_by_cut(trace) == kept_cut_by_cut(eager, inputs, trace.kept_after_each_cut, rank)
    with cuts_by_masking(model, trace, inputs["input_ids"]):
        assert_same_answer(output, model.generate(**inputs, **GREEDY), **CLOSE)


def test_of_a_lattice_that_is_too_large_the_best_stay():
    model, inputs = model_of(), llava_inputs()
    with Feather(keep=1, stride=1)(model) as trace, torch.no_grad():
        model(**inputs)
    best = trace.scores[0].argsort(descending=True, stable=True)[: trace.kept_after_each_cut[0][1][0]].sort().values
    assert trace.kept_by_cut[0][0].tolist() == trace.visual_positions[0][best].tolist()


def test_nothing_dropped_is_bit_identical_and_options_are_checked():
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with Feather(r=0)(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)
    with pytest.raises(InvalidBudgetError, match="stride"):
        Feather(stride=0)
    assert Feather().own_flops(llama_like({}), 40, 576) > 0


def test_pictures_of_unknown_geometry_are_refused(monkeypatch):
    model, inputs = model_of(), llava_inputs()
    monkeypatch.setattr(type(family_of(model)), "visual_groups", lambda *_: None)
    with Feather()(model), pytest.raises(UnsupportedModelError, match="FEATHER"):
        model(**inputs)
