"""What choosing tokens costs, by each method's own count, against what torch counts beyond the model's own work.

On models whose layers differ in heads (Gemma 4: the first cut ranks in a sliding layer, the second in a full one), and
on vision towers of every kind, with a class token and without.
"""

from __future__ import annotations

import pytest

from fastv.costs.flops import cost
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from fastv.pruning.config import PruningConfig
from tests.support.flop_counter import counted
from tests.support.standins import ALL_STANDINS, WIDE

EXACT = {
    "gemma4": ("fastv", "fastv_norope", "feather"),
    "llava": ("fastervlm", "feather", "pyramiddrop"),
    **dict.fromkeys(("video_llava", "qwen2_5_vl", "gemma3", "deepseek_vl", "ovis2"), ("fastervlm",)),
}


def own_and_counted(key: str, method: str) -> tuple[float, float, float]:
    """A method's own FLOPs as computed and as counted, and those of the merged means, which torch does not count."""
    standin, family = ALL_STANDINS[key], family_for(key)
    model, inputs = standin.model(width=64, layers=8), standin.inputs([(5, WIDE, 7)])
    visual = int(family.visual_mask(model, inputs["input_ids"]).sum())
    text, shape = inputs["input_ids"].shape[1] - visual, read_shape(model.config)
    pruning = PruningConfig(method, k=2, r=0.5)
    arguments = pruning.cost_arguments(shape, text, visual)
    with pruning.build()(model):
        flops = counted(model, inputs)["Global"]
    around = cost(shape, text_tokens=text, visual_tokens=visual, answer_tokens=1, **arguments | {"method_flops": 0.0})
    means = 2.0 * (visual - pruning.build().kept_of(visual)) * shape.decoder.width
    return arguments["method_flops"], flops - around.prefill_flops, means


@pytest.mark.parametrize("key, method", [(key, method) for key, methods in EXACT.items() for method in methods])
def test_a_choice_costs_what_torch_counts(key, method):
    own, found, _ = own_and_counted(key, method)
    assert own == found > 0


@pytest.mark.parametrize("key", ["llava", "qwen2_5_vl", "ovis2"])
def test_merging_costs_what_torch_counts_and_the_means(key):
    own, found, means = own_and_counted(key, "visionzip")
    assert own == found + means


def test_raters_cost_about_what_torch_counts():
    """Which words look at the picture shows only in the run: half of them are assumed."""
    own, found, _ = own_and_counted("gemma4", "sparsevlm")
    assert own == pytest.approx(found, rel=0.05)
