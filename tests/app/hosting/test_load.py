"""The load test in small: everybody gets an answer or a clear word, and the same answer as alone."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import httpx
import pytest

from fastv.app.hosting.settings import Settings
from fastv.app.service.run_policy import RunPolicy
from tests.support.benchmark_scripts import script
from tests.support.serving import served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def load():
    with script("load") as module:
        yield module


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    settings = Settings(log="none", queue=4, runs_per_minute=0, runs_per_minute_of_address=0, uploads_per_minute=0)
    with served(tmp_path_factory.mktemp("models"), RunPolicy(settings)) as app:
        yield app


def test_a_crowd_gets_answers_or_is_told_that_the_app_is_busy(load, app, monkeypatch):
    together, asked = [], threading.Semaphore(0)

    def watched(**settings):
        def tell(response):
            return asked.release() if response.url.path.endswith("/queue/join") else None

        return httpx.Client(**settings, event_hooks={"response": [tell]})

    monkeypatch.setattr(load, "httpx", SimpleNamespace(Client=watched))
    crowd = threading.Thread(target=lambda: together.extend(load.crowd(app.address, 6, tokens=2)))
    with app.model.lock:  # no run ends before all have asked
        crowd.start()
        assert all(asked.acquire(timeout=60) for _ in range(6))
    crowd.join(120)
    outcomes = [told.outcome for told in together]
    # Four wait and one runs, if it began before the others came.
    assert outcomes.count("answer") in (4, 5) and outcomes.count("answer") + outcomes.count("busy") == 6
    assert sorted(told.place for told in together if told.place)[-1] <= 5
    assert all("4 runs" in told.words for told in together if told.outcome == "busy")


def test_mixed_requests_end_as_they_should(load, app):
    todo = load.mixture(6, ["standin"])
    kinds = {asked.kind for asked in todo}
    assert "plain" in kinds and len(kinds) > 3 and todo == load.mixture(6, ["standin"])
    result = load.soak(app.address, todo, 3, os.getpid(), tokens=2)
    assert result["faults"] == [] and sum(result["outcomes"].values()) == 6 and result["growth"] is None
    assert "| 6 requests from 3 clients" in load.summary([], result).replace("| soak ", "")


def test_what_goes_wrong_is_seen(load):
    asked = load.Asked("plain", None, 2, 0.5, 0, "how many ?")
    right, wrong = (load.Told("answer", "", 1, 1.0, (answer,)) for answer in ("one", "two"))
    assert load._fault(asked, right, {asked: ("one",)}) is None and load._fault(asked, wrong, {asked: ("one",)})
    broken = load.Asked("layer", None, 2, 0.5, 0, "how many ?")
    assert (
        load._fault(broken, right, {})
        and load._fault(broken, load.Told("refused", "of its layers", 1, 1.0), {}) is None
    )
    assert load._growth([100] * 70) == 0 and load._growth([100] * 60 + [110] * 10) == pytest.approx(0.1)
    fine = {"faults": [], "growth": 0.0}
    assert load.is_fine([right], fine) and not load.is_fine([right], fine | {"growth": 0.06})
    assert not load.is_fine([right, load.Told("failed", "", None, 0.0)], fine)
