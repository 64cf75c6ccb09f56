"""A request is data; the pool of models and the policy of limits are two independent arguments of one run."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from PIL import Image

from fastv.app.hosting.settings import Settings
from fastv.app.service.json_result import run_as_json
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run import TimedOut, run
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from fastv.loading.load import load
from fastv.measurement.results import Comparison, Progress
from tests.support.requests import asked
from tests.support.standins import save_llava_checkpoint


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "standin"
    save_llava_checkpoint(folder, seed=3)
    return ModelPool(load(str(folder)))


@pytest.fixture(scope="module")
def request_(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "red.png"
    Image.new("RGB", (60, 56), "red").save(path)
    return asked(str(path), max_new_tokens=2, repeats=1)


def test_scripts_get_the_numbers_and_the_models_public_name(pool, request_):
    result = run_as_json(request_, pool, RunPolicy())
    assert result["model"] == "standin"
    assert (result["baseline"]["visual_tokens"], result["fastv"]["visual_tokens"]) == (16, 8)


def test_a_run_leaves_the_request_as_it_was(pool, request_):
    before = asdict(request_)
    *steps, last = run(request_, pool, RunPolicy())
    assert asdict(request_) == before
    assert isinstance(last, Comparison) and all(isinstance(step, Progress) for step in steps)


def test_one_pool_serves_under_several_policies(pool, request_):
    strict = RunPolicy(Settings(log="none", answer_tokens=1))
    with pytest.raises(FastVError, match="at most 1"):
        run(request_, pool, strict)
    assert run_as_json(request_, pool, RunPolicy())["repeats"] == 1


def test_the_policy_says_where_a_comparison_runs(pool, request_):
    asked = []

    def elsewhere(request, given_pool, *, seconds, unwanted):
        asked.append((request.media.size, request.sides.models, given_pool, seconds, unwanted()))
        yield Progress("baseline", "as far", "as it came", 0.5)

    policy = RunPolicy(Settings(log="none", run_seconds=7), elsewhere)
    *_, last = run(request_, pool, policy)
    assert last == TimedOut("as far", "as it came")
    assert asked == [((60, 56), ("standin", "standin"), pool, 7, False)]
    with pytest.raises(FastVError, match=last.reason[:20]):
        run_as_json(request_, pool, policy)
