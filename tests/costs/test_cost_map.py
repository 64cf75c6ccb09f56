from __future__ import annotations

from dataclasses import replace

import pytest

from fastv.costs.cost_map import MEASURES, amount, breakdown, contour, cost_grid
from fastv.costs.solver import Target, Workload, solve
from fastv.errors import InvalidBudgetError
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape

SMALL, BIG = (read_shape(REFERENCE_CONFIGS[key]) for key in ("llava-1.5-7b", "llava-1.5-13b"))
PROMPT = Workload(answer_tokens=64)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_map_falls_with_r_and_rises_with_k(measure):
    grid = cost_grid(BIG, PROMPT, measure)
    unpruned = amount(BIG, PROMPT, measure, None, 0.0)
    assert grid.rows[-1] < BIG.decoder.layers and {row[0] for row in grid.values} == {unpruned}
    for row in grid.values:
        assert all(more > less for more, less in zip(row, row[1:]))
    for earlier, later in zip(grid.values, grid.values[1:]):
        assert all(one < other for one, other in zip(earlier[1:], later[1:]))


def test_the_contour_is_where_the_solver_says():
    level = amount(SMALL, PROMPT, "prefill-paper", None, 0.0)
    target = Target.of_model(SMALL, PROMPT, "decoder_prefill_flops")
    line = contour(cost_grid(BIG, PROMPT, "prefill-paper"), level)
    assert [k for k, _ in line] == [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16]
    for k, r in line:
        assert r == pytest.approx(solve(BIG, PROMPT, target, k).continuous_r, abs=0.001)


def test_unknown_measures_are_refused():
    with pytest.raises(InvalidBudgetError, match="beauty"):
        amount(BIG, PROMPT, "beauty", 2, 0.5)


@pytest.mark.parametrize("k, r", [(0, 0.5), (2, 0.5), (7, 0.9), (39, 1.0)])
@pytest.mark.parametrize("workload", [PROMPT, Workload(60, 1152, 1, 2), replace(PROMPT, batch=8)])
def test_the_parts_are_the_whole(k, r, workload):
    parts = breakdown(BIG, workload, k, r)
    before, after = (workload.cost(BIG, *budget, "exact").total_flops for budget in ((None, 0.0), (k, r)))
    assert sum(part.baseline_flops for part in parts) == pytest.approx(before)
    assert sum(part.fastv_flops for part in parts) == pytest.approx(after)
    for part in parts:
        late = part.name.startswith("Layers from K") or part.name == "Decode steps"
        assert 0 <= part.fastv_flops <= part.baseline_flops and (late or part.fastv_flops == part.baseline_flops)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_batch_multiplies_all_but_the_weights(batch):
    one, many = (replace(PROMPT, batch=size).cost(BIG, 2, 0.5, "exact") for size in (1, batch))
    for field in ("prefill_flops", "decode_flops", "total_flops", "kv_cache_bytes", "decode_flops_per_token"):
        assert getattr(many, field) == batch * getattr(one, field)
    assert many.parameter_bytes == one.parameter_bytes
    assert sum(many.layer_flops) == pytest.approx(many.decoder_prefill_flops)


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2"])
def test_a_batch_is_a_whole_number(batch):
    with pytest.raises(InvalidBudgetError, match="batch"):
        replace(PROMPT, batch=batch).cost(BIG, 2, 0.5, "exact").for_batch(batch)
