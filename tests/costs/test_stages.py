"""Costs of several cuts, of choosing tokens, and of pictures that are read at a lower resolution."""

from __future__ import annotations

from functools import partial

import pytest

from fastv.costs.flops import cost
from fastv.errors import InvalidBudgetError
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.registry import family_of
from tests.support.flop_counter import counted
from tests.support.standins import STANDINS, WIDE

LLAVA = REFERENCE_CONFIGS["llava-1.5-7b"]
usual = partial(cost, LLAVA, text_tokens=40, visual_tokens=576, answer_tokens=9, k=None, r=0.0)


@pytest.mark.parametrize("convention", ["paper", "exact"])
def test_one_stage_is_a_cut_at_k(convention):
    assert usual(stages=[(2, 144)], convention=convention) == cost(
        LLAVA, text_tokens=40, visual_tokens=576, answer_tokens=9, k=2, r=0.75, convention=convention
    )
    assert usual(stages=[], convention=convention) == usual(convention=convention)


@pytest.mark.parametrize("convention", ["paper", "exact"])
def test_each_layer_costs_what_it_costs_after_the_cuts_before_it(convention):
    stages = [(8, 288), (16, 144), (24, 72)]
    found = usual(stages=stages, convention=convention)
    for layer, flops in enumerate(found.layer_flops):
        left = [576, *(kept for at, kept in stages if at <= layer)][-1]
        alone = cost(LLAVA, text_tokens=40, visual_tokens=left, answer_tokens=1, k=None, r=0, convention=convention)
        assert flops == alone.layer_flops[layer]
    assert found.decoder_prefill_flops == pytest.approx(sum(found.layer_flops))
    positions = 8 * (40 + 576 + 40 + 288 + 40 + 144 + 40 + 72) + 32 * 8  # and 8 decode steps in 32 layers
    assert found.kv_cache_bytes == positions * 2 * 4096 * 2
    assert found.total_flops < usual(stages=[(8, 288)], convention=convention).total_flops


def test_choosing_is_a_part_of_the_prefill():
    plain, chosen = usual(stages=[(0, 64)]), usual(stages=[(0, 64)], method_flops=1e9)
    assert chosen.prefill_flops == plain.prefill_flops + 1e9 and chosen.method_flops == 1e9
    assert chosen.decoder_prefill_flops == plain.decoder_prefill_flops
    assert usual(stages=[(0, 64)], method_flops=1e9, convention="paper").method_flops == 0


@pytest.mark.parametrize(
    "stages", [[(8, 288), (8, 144)], [(8, 288), (4, 144)], [(32, 64)], [(2, 600)], [(2, 64), (3, 65)]]
)
def test_cuts_that_make_no_sense_are_refused(stages):
    with pytest.raises(InvalidBudgetError):
        usual(stages=stages)


@pytest.mark.parametrize(
    "key, size, tokens", [("llava", (2, 2), 4), ("video_llava", (3, 2), 6), ("qwen2_vl", (1, 2), 2)]
)
def test_smaller_pictures_cost_what_torch_counts(key, size, tokens):
    standin = STANDINS[key]
    model, inputs = standin.model(), standin.inputs([(5, WIDE, 7)])
    visual = standin.visual_tokens[WIDE]
    with family_of(model).reduced_pictures(model, lambda _, groups: [size] * len(groups)):
        flops = counted(model, inputs)
    text = inputs["input_ids"].shape[1] - visual
    small = partial(cost, model.config, text_tokens=text, visual_tokens=visual, answer_tokens=1, k=None, r=0.0)
    assert flops["Global"] == pytest.approx(small(encoded_tokens=tokens).prefill_flops, rel=0.002)
    assert small(encoded_tokens=tokens).vision_tower_flops < 0.6 * small().vision_tower_flops
    assert small(encoded_tokens=visual) == small() == small(encoded_tokens=None)
