"""Controls: at the same budgets, once each, and never of themselves."""

from __future__ import annotations

from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS
from fastv.sweep.controls import CONTROLS, controls_of, grid


def test_a_grid_has_every_combination_once():
    made = grid(["fastv", "random"], [1, 2, 2], [0.5, 0.75])
    assert len(made) == len(set(made)) == 8
    assert all(len(grid([name], [1, 2, 3], [0.5])) == (3 if METHODS[name].takes_k else 1) for name in METHODS)


def test_every_budget_has_its_controls():
    configs = grid(["fastv", "fastv_mean"], [2, 3], [0.5])
    controls = controls_of(configs)
    assert {(one.k, one.r) for one in controls if one.method == "random"} == {(2, 0.5), (3, 0.5)}
    assert {one.method for one in controls} == set(CONTROLS) & set(METHODS)
    assert len(controls) == len(set(controls))


def test_what_draws_at_random_itself_and_what_is_there_already_needs_no_draw():
    random = PruningConfig("random", 2, 0.5)
    assert not [one for one in controls_of([PruningConfig("fastv", 0, 0.5)]) if one.method == "random"]
    assert random not in controls_of([PruningConfig("fastv", 2, 0.5), random])
    assert controls_of([random]) == []
