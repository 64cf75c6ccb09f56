"""Every method at one cost: the amounts cost the same, points are measured once, and pixels give the plain answers."""

from __future__ import annotations

import itertools

import pytest

from fastv.costs import configs
from fastv.costs.solver import Workload
from fastv.errors import UnsupportedModelError
from fastv.loading.load import load
from fastv.measurement.records import read
from fastv.miniature.evaluation import group_grid, method_grid
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator, PixelEvaluator
from fastv.miniature.evaluation.dataset import benchmark, of_tasks
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS

WORKLOAD = Workload(20, 576)


@pytest.fixture(scope="module")
def mini():
    return load("mini-7")


@pytest.fixture(scope="module")
def items():
    return benchmark(4, 1, first=method_grid.FIRST_SCENE)


@pytest.mark.parametrize("name", ["mini-7", "mini-13"])
def test_points_cost_what_fastv_costs_to_a_token_or_keep_as_many(name):
    config = configs.shape_of(name)
    points = list(method_grid.settings(config, WORKLOAD))
    assert len(points) == len({tuple(point.to_dict().items()) for point in points})
    for point in points:
        reference = PruningConfig("fastv", 2, point.reference_r)
        kept = point.build().kept_of(576)
        if point.equal == "tokens":
            assert kept == reference.build().kept_of(576)
            continue
        target = method_grid._prefill(config, WORKLOAD, reference)
        around = [
            method_grid._prefill(
                config, WORKLOAD, method_grid.of_count(point.config.method, point.config.k, count, 576)
            )
            for count in (kept - 1, kept, min(kept + 1, 576))
        ]
        assert abs(around[1] - target) == min(abs(cost - target) for cost in around)
    for r in method_grid.RS:
        found = {point.config.method for point in points if point.equal == "flops" and point.reference_r == r}
        target = method_grid._prefill(config, WORKLOAD, PruningConfig("fastv", 2, r))
        for method, made in METHODS.items():
            if method not in found and not made.videos_alone:
                least = method_grid.of_count(method, made.default_k, 1, 576)
                assert method_grid._prefill(config, WORKLOAD, least) > target
    assert len(found) < len({point.config.method for point in points})


@pytest.mark.slow
def test_points_are_written_as_they_come_and_measured_once(mini, items, tmp_path, monkeypatch):
    chosen = [
        method_grid.Setting(PruningConfig("random", 2, 0.9), False, "flops", 0.5),
        method_grid.Setting(PruningConfig("fastv", 2, 0.5), True, "flops", 0.5),
        method_grid.Setting(PruningConfig("visionzip", 0, 0.5), False, "tokens", 0.5),
    ]
    monkeypatch.setattr(method_grid, "settings", lambda config, workload: iter(chosen))
    answered, asked = method_grid._answered, itertools.count()

    def interrupted(*arguments):
        if next(asked) == 2:
            raise KeyboardInterrupt
        return answered(*arguments)

    path = tmp_path / "mini-7.jsonl"
    monkeypatch.setattr(method_grid, "_answered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        method_grid.measure(mini, items, path, "command")
    method_grid.measure(mini, items, path, "command")
    method_grid.measure(mini, items, path, "command")
    assert next(asked) == 5  # no pruning, three points, and the interrupted one once more
    header, records = read(path)
    assert header["first_scene"] == method_grid.FIRST_SCENE and len(header["tasks"]) == 4
    assert [record["method"] for record in records] == [None, "random", "fastv", "visionzip"]
    assert records[2]["kept_after_each_cut"] == [[2, 288]] and records[3]["average_tokens"] == 288
    method_grid.time_points(mini, items * 20, path, "command", 1)
    assert (tmp_path / "mini-7-times.json").exists()


def test_a_method_that_refuses_is_recorded_with_its_reason(mini, items, monkeypatch):
    evaluator = BatchedEvaluator(mini, items[:1])

    def refuse(*_):
        raise UnsupportedModelError("no tower")

    monkeypatch.setattr(evaluator, "answers", refuse)
    setting = method_grid.Setting(PruningConfig("grid", 2, 0.5), False, "flops", 0.5)
    assert method_grid._answered(evaluator, setting, WORKLOAD) == {"refused": "no tower"}


def test_methods_that_need_the_tower_get_pixels_and_the_others_answer_alike_with_them(mini, items):
    needing = {name for name, method in METHODS.items() if method_grid.needs_pixels(method())}
    assert {"visionzip", "fastervlm", "vispruner", "lower_resolution"} <= needing and "fastv" not in needing
    method = METHODS["fastv"](k=2, r=0.75)
    pixels = PixelEvaluator(mini, items)
    said = [one.answers(method) for one in (pixels, BatchedEvaluator(mini, items, pixels=pixels))]
    assert said == 2 * [BatchedEvaluator(mini, items).answers(method)]


def test_a_group_is_asked_by_the_methods_that_the_exhibit_compares():
    points = [one for one in method_grid.settings(configs.shape_of("mini-7"), WORKLOAD) if group_grid.wanted(one)]
    plain = [one.config.method for one in points if not one.proportional]
    assert set(plain) == set(group_grid.METHODS)
    assert sorted(one.config.k for one in points if one.config.method == "fastv" and not one.proportional) == [
        1,
        2,
        3,
        4,
    ]
    assert {one.config.method for one in points if one.proportional} == set(method_grid.PROPORTIONAL)
    assert {(one.equal, one.reference_r) for one in points} == {("flops", 0.5)}


def test_questions_of_a_group_are_one_a_scene_and_the_same_again():
    items = of_tasks(["sign", "describe"], 6, first=group_grid.FIRST_SCENE)
    assert [(one.scene.seed, one.question) for one in items] == [
        (one.scene.seed, one.question) for one in of_tasks(["describe", "sign"], 6, first=group_grid.FIRST_SCENE)
    ]
    assert len({one.scene.seed for one in items}) == 6 and {one.question.task for one in items} == {"sign", "describe"}
