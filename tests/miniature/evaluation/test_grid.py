"""The grid, on a few questions: right figures, and a sweep that was ended goes on as if it had not been."""

import json
from statistics import fmean, median
from types import SimpleNamespace

import pytest

from fastv.costs.flops import cost
from fastv.errors import InvalidInputError
from fastv.evidence.measurements import parsed, read_document
from fastv.families.shapes import DecoderShape, ModelShape
from fastv.loading.load import load
from fastv.miniature.evaluation import grid as sweep_room
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator
from fastv.miniature.evaluation.dataset import benchmark
from fastv.miniature.evaluation.grid import grid, parity, retime, sweep
from fastv.miniature.evaluation.scoring import is_right
from fastv.pruning.config import PruningConfig
from fastv.pruning.pruner import _ACTIVE
from tests.support.ranking_cost import ranking_flops

pytestmark = pytest.mark.slow

POINTS = [None, PruningConfig("random", 0, 0.9), PruningConfig("fastv", 2, 0.5)]


@pytest.fixture(scope="module")
def evaluator():
    return BatchedEvaluator(load("mini-7"), benchmark(4, 1))


@pytest.fixture(scope="module")
def swept(evaluator, tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "mini-7.jsonl"
    sweep(evaluator, POINTS, path, command="this test", repeats=2)
    return path


def test_the_whole_grid_has_every_point_once():
    points = grid()
    keys = {(point.k, point.r, point.method) for point in points[1:]}
    assert points[0] is None and len(points) == 53 == len(keys) + 1
    assert {method for k, _, method in keys if k == 0} == {"random"}


def test_marks_are_those_of_the_answers(evaluator, swept):
    found = parsed(read_document(swept))
    assert [(point.k, point.r, point.method) for point in found.points] == [
        (None, 0.0, None),
        (0, 0.9, "random"),
        (2, 0.5, "fastv"),
    ]
    for budget, point in zip(POINTS, found.points):
        said = evaluator.answers(budget)
        assert list(point.marks) == [is_right(item.question, one.text) for item, one in zip(evaluator.items, said)]
        assert point.answer_tokens == pytest.approx(fmean(one.tokens for one in said), abs=1e-3)
    assert found.tasks == tuple(item.question.task for item in evaluator.items) and found.weights


def test_flops_are_those_of_each_prompt_and_its_answer(evaluator, swept):
    point, said = parsed(read_document(swept)).points[2], evaluator.answers(POINTS[2])
    for convention, prefill, total in (
        ("exact", point.prefill_flops, point.total_flops),
        ("paper", point.paper_prefill_flops, point.paper_total_flops),
    ):
        each = [
            cost(
                evaluator.loaded.model.config,
                text_tokens=length - 576,
                visual_tokens=576,
                answer_tokens=one.tokens,
                k=2,
                r=0.5,
                convention=convention,
                method_flops=ranking_flops(evaluator.loaded.model.config, length, 1),
            )
            for length, one in zip(evaluator.prompt_lengths, said)
        ]
        assert prefill == pytest.approx(fmean(one.prefill_flops for one in each), rel=1e-6)
        assert total == pytest.approx(fmean(one.total_flops for one in each), rel=1e-6)


def test_times_are_of_both_sides_in_the_same_run(swept):
    data = read_document(swept)
    assert all(len(point["seconds"]) == len(point["unpruned_seconds"]) == 2 for point in data["points"])
    unpruned, pruned, _ = parsed(data).points
    assert unpruned.time_ratio == 1 and pruned.first_token_seconds == median(data["points"][1]["seconds"]) > 0


def test_an_ended_sweep_goes_on_without_doing_anything_twice(evaluator, swept, tmp_path):
    path, whole = tmp_path / "mini-7.jsonl", read_document(swept)
    begun = {**whole, "points": whole["points"][:2]}
    path.write_text(json.dumps(begun))
    told = []
    found = sweep(
        evaluator, POINTS, path, command="this test", repeats=2, tell=lambda record: told.append(len(record["points"]))
    )
    assert told == [3] and found == read_document(path)
    assert found["points"][:2] == whole["points"][:2] and found["points"][2]["right"] == whole["points"][2]["right"]


def test_the_pruned_runs_are_the_ones_with_fastv(evaluator, monkeypatch):
    decoder = evaluator.loaded.family.decoder(evaluator.loaded.model)
    monkeypatch.setattr(
        sweep_room, "generate", lambda *a, **k: SimpleNamespace(prefill_seconds=1.0 if decoder in _ACTIVE else 2.0)
    )
    assert sweep_room._first_token(evaluator, PruningConfig("fastv", 2, 0.5), 3) == ([1.0] * 3, [2.0] * 3)
    assert sweep_room._first_token(evaluator, None, 2) == ([2.0] * 2, [2.0] * 2)


def test_times_can_be_taken_anew(evaluator, swept, tmp_path):
    path, whole = tmp_path / "mini-7.jsonl", read_document(swept)
    whole["points"] = whole["points"][1:]
    path.write_text(json.dumps({**whole, "machine": {"device": "a busy one"}}))
    found = retime(evaluator, path, repeats=1)
    assert found == read_document(path) and found["machine"] == whole["machine"] and found["repeats"] == 1
    for before, after in zip(whole["points"], found["points"], strict=True):
        assert len(after["seconds"]) == 1 and {**before, "seconds": 0, "unpruned_seconds": 0} == {
            **after,
            "seconds": 0,
            "unpruned_seconds": 0,
        }
    with pytest.raises(InvalidInputError, match="does not exist"):
        retime(evaluator, tmp_path / "none.json")


@pytest.mark.parametrize("field, value", [("weights", "0"), ("tasks", "00"), ("repeats", 9), ("machine", {})])
def test_a_file_of_another_sweep_is_left_alone(evaluator, swept, tmp_path, field, value):
    path = tmp_path / "mini-7.jsonl"
    path.write_text(json.dumps({**read_document(swept), field: value}))
    before = path.read_text()
    with pytest.raises(InvalidInputError, match=rf"\({field} differs\)"):
        sweep(evaluator, POINTS, path, command="this test", repeats=2)
    assert path.read_text() == before


@pytest.mark.parametrize("text", ["[1]", "{}", "3", "[1]\n"])
def test_a_file_that_is_no_sweep_is_left_alone(evaluator, tmp_path, text):
    path = tmp_path / "mini-7.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match="holds no records"):
        sweep(evaluator, POINTS, path, command="this test", repeats=2)
    assert path.read_text() == text


def test_parity_costs_what_the_smaller_model_costs_to_a_token(evaluator):
    big, small = (
        ModelShape(DecoderShape(width, 2 * width, layers, 4, 4, width // 4, 100))
        for width, layers in ((200, 10), (160, 8))
    )
    found = parity(big, small, evaluator, (0, 1, 2))
    text = round(fmean(evaluator.prompt_lengths)) - 576

    def flops(shape, k, r):
        return cost(
            shape, text_tokens=text, visual_tokens=576, answer_tokens=1, k=k, r=r, convention="paper"
        ).prefill_flops

    limit = flops(small, None, 0.0)
    assert [one.k for one in found] == [0, 1, 2] and found[0].method == "random" and found[1].method == "fastv"
    for one in found:
        assert flops(big, one.k, one.r) <= limit * 1.0002 and flops(big, one.k, one.r - 1.5 / 576) > limit
