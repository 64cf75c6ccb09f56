"""Costs of methods that cut several times, read a smaller picture or compute something of their own."""

from __future__ import annotations

import pytest

from fastv.costs.configs import shape_of
from fastv.costs.flops import CONVENTIONS, Cost, cost, kept_tokens
from fastv.costs.memory import kv_cache_bytes
from fastv.costs.schedule import TokenSchedule
from fastv.errors import InvalidBudgetError

SHAPE = shape_of("llava-1.5-7b")
PROMPT = dict(text_tokens=36, visual_tokens=576, answer_tokens=20)


def of(*stages: tuple[int, float], convention: str = "exact", **settings) -> Cost:
    return cost(SHAPE, **PROMPT, schedule=TokenSchedule(stages, **settings), convention=convention)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("k, r", [(0, 0.5), (2, 0.5), (2, 1.0), (31, 0.3), (7, 0.0)])
def test_one_cut_is_the_short_form(k, r, convention):
    kept = 576 * (1 - r) if convention == "paper" else kept_tokens(576, r)
    assert of((k, kept), convention=convention) == cost(SHAPE, **PROMPT, k=k, r=r, convention=convention)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_stage_is_no_pruning(convention):
    assert of(convention=convention) == cost(SHAPE, **PROMPT, convention=convention)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_each_layer_costs_what_its_own_tokens_cost(convention):
    found = of((8, 288), (16, 144), (24, 72), convention=convention)
    for layer, kept in ((0, 576), (7, 576), (8, 288), (15, 288), (16, 144), (24, 72), (31, 72)):
        alone = of((0, kept), convention=convention)
        assert found.layer_flops[layer] == alone.layer_flops[0]
    assert found.decoder_prefill_flops == pytest.approx(sum(found.layer_flops))
    lengths = tuple(36 + kept + 19 for kept in (576, 288, 144, 72) for _ in range(8))
    assert found.kv_cache_bytes == kv_cache_bytes(SHAPE.decoder, lengths, "float16")


def test_the_average_over_layers_is_what_papers_print():
    # PyramidDrop's ratios (arXiv 2410.17247): 576, 288, 144, 72 tokens in a quarter of the layers each.
    assert TokenSchedule(((8, 288), (16, 144), (24, 72))).average_tokens(32, 576) == 270
    # FastV at K=2 keeps 30 tokens for an average of 64 (64 * 32 = 2 * 576 + 30 * 30 - 4).
    assert TokenSchedule(((2, 30),)).average_tokens(32, 576) == pytest.approx(64, abs=0.2)


def test_the_choice_itself_is_counted():
    plain, dear = of((2, 288)), of((2, 288), method_flops=1e9)
    assert dear.prefill_flops - plain.prefill_flops == pytest.approx(1e9) == dear.method_flops
    assert dear.total_flops - plain.total_flops == pytest.approx(1e9)
    assert (
        of((2, 288), method_flops=1e9, convention="paper").prefill_flops
        == of((2, 288), convention="paper").prefill_flops
    )


def test_a_smaller_picture_saves_vision_tower_and_projector():
    all_of_it, fewer = of((0, 144)), of((0, 144), encoded=144)
    assert fewer.projector_flops == pytest.approx(all_of_it.projector_flops / 4)
    assert fewer.vision_tower_flops < all_of_it.vision_tower_flops / 4  # attention is quadratic
    assert fewer.decoder_prefill_flops == all_of_it.decoder_prefill_flops
    assert of(encoded=576) == of()


@pytest.mark.parametrize(
    "stages", [((4, 10), (2, 5)), ((2, 10), (2, 5)), ((2, 5), (4, 10)), ((-1, 5),), ((2, -1),), ((32, 5),)]
)
def test_stages_out_of_order_are_refused(stages):
    with pytest.raises(InvalidBudgetError):
        of(*stages)
