"""A run ends when its asker disconnects, or at its time limit, and the operator's log says which."""

from __future__ import annotations

import io
import json
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from fastv.app.compare.view_stream import _FAILED
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.hosting.settings import Settings
from fastv.app.service.run import TimedOut
from fastv.app.service.run_policy import RunPolicy
from fastv.measurement import compare as compare_room
from tests.support.http_client import ALONE, Stranger, messages
from tests.support.serving import served

pytestmark = pytest.mark.slow

QUESTION = "how many red ?"
LONG = (QUESTION, 2, 0.5, None, "fastv", 0, 16, 9, 1, *ALONE)  # what "compare" takes after the picture
QUICK = (QUESTION, 2, 0.5, None, "fastv", 0, 2, 2, 1, *ALONE)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "runs" / "log.jsonl"


@pytest.fixture(scope="module")
def app(tmp_path_factory, log):
    policy = RunPolicy(Settings(log=str(log), run_seconds=0, runs_per_minute=0, runs_per_minute_of_address=0))
    with served(tmp_path_factory.mktemp("models"), policy) as app:
        yield app


@pytest.fixture
def stranger(app, request):
    return Stranger(app.address, session=request.node.name)


@contextmanager
def slowly(app, seconds: float = 0.4, after: int = 0):
    """Every token takes so long; after: only from the pass with this number on, counted from 0."""
    generate, made = app.model.model.generate, []

    def counted(*args, **kwargs):
        made.append(1)
        return generate(*args, **kwargs)

    app.model.model.generate = counted
    decoder = app.model.family.decoder(app.model.model)
    slow = decoder.register_forward_pre_hook(lambda *_: time.sleep(seconds if len(made) > after else 0))
    try:
        yield made
    finally:
        slow.remove()
        app.model.model.generate = generate


@contextmanager
def allowed(app, seconds: int):
    before, app.policy.settings = app.policy.settings, Settings(log="none", run_seconds=seconds)
    try:
        yield
    finally:
        app.policy.settings = before


def red() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 60), "red").save(file, "PNG")
    return file.getvalue()


def lines(log) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def wait_for(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def running(app) -> bool:
    return app.model.lock.locked()


# Where a run is caught: while its first pass streams, or in a timed one, which reports nothing before it is over. The
# rest of such a pass would take longer than the seconds in which the model has to be free.
CAUGHT = pytest.mark.parametrize("after", [0, 2], ids=["first-pass", "timed-pass"])
SOON = 3.0


@CAUGHT
def test_a_script_that_hangs_up_ends_its_run(app, stranger, log, after):
    before = len(lines(log))
    with slowly(app, after=after) as made:
        event = stranger.call("compare", stranger.picture(red()), *LONG).json()["event_id"]
        with httpx.stream("GET", f"{app.address}gradio_api/call/compare/{event}", timeout=20):
            assert wait_for(lambda: len(made) > after)
        assert wait_for(lambda: not running(app), SOON)
    assert wait_for(lambda: len(lines(log)) > before)
    (line,) = lines(log)[before:]
    assert line["outcome"] == "stopped" and line["tokens"] is None


def test_a_script_that_cancels_ends_its_run(app, log, tmp_path):
    (tmp_path / "red.png").write_bytes(red())
    client, before = Client(app.address, verbose=False), len(lines(log))
    with slowly(app, after=2) as made:
        job = client.submit(handle_file(str(tmp_path / "red.png")), *LONG, api_name="/compare")
        assert wait_for(lambda: len(made) > 2)
        job.cancel()
        assert wait_for(lambda: not running(app), SOON)
    assert wait_for(lambda: len(lines(log)) > before) and lines(log)[-1]["outcome"] == "stopped"


@CAUGHT
@pytest.mark.parametrize("how", ["closed", "stopped"])
def test_a_page_that_is_closed_or_stopped_ends_its_run(app, stranger, log, how, after):
    number = stranger.run_number()
    body = {
        "data": stranger.run_values(stranger.picture(red()), QUESTION, tokens=16, repeats=9),
        "fn_index": number,
        "session_hash": stranger.session,
    }
    before = len(lines(log))
    with slowly(app, after=after) as made:
        event = stranger.http.post("/gradio_api/queue/join", json=body).json()["event_id"]
        with stranger.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": stranger.session}) as page:
            told = page.iter_lines()
            assert wait_for(lambda: len(made) > after)
            if how == "stopped":
                stop = {"session_hash": stranger.session, "fn_index": number, "event_id": event}
                threading.Thread(target=stranger.http.post, args=["/gradio_api/cancel"], kwargs={"json": stop}).start()
                assert any("process_completed" in line for line in told)
                assert wait_for(lambda: not running(app), SOON)
        assert wait_for(lambda: not running(app), SOON)
    assert wait_for(lambda: len(lines(log)) > before) and lines(log)[-1]["outcome"] == "stopped"


def test_leaving_the_queue_frees_the_place(app, stranger):
    other = Stranger(app.address)
    with slowly(app):
        first = stranger.call("compare", stranger.picture(red()), *LONG).json()["event_id"]
        with httpx.stream("GET", f"{app.address}gradio_api/call/compare/{first}", timeout=20):
            assert wait_for(lambda: running(app))
            second = other.call("compare", other.picture(red()), *LONG).json()["event_id"]
            with httpx.stream("GET", f"{app.address}gradio_api/call/compare/{second}", timeout=20):
                queue = other.http.get("/healthz").json()["queue"]
                assert (queue["waiting"], queue["busy"]) == (1, True)
            assert wait_for(lambda: other.http.get("/healthz").json()["queue"]["waiting"] == 0)
        assert wait_for(lambda: not running(app), SOON)


def test_a_run_over_its_time_limit_ends_with_texts_and_no_numbers(app, stranger):
    with allowed(app, 1), slowly(app):
        said = stranger.ask("compare", stranger.picture(red()), *LONG)
        assert "event: error" in said and TimedOut("", "").reason in said
        number = stranger.run_number()
        told = messages(
            stranger.press(
                number, *stranger.run_values(stranger.picture(red()), QUESTION, tokens=60, repeats=3), queued=True
            )
        )
    shown = [message["output"]["data"] for message in told if message["msg"] == "process_generating"]
    assert TimedOut("", "").reason in json.dumps(shown[-1]) and "cut short" in json.dumps(shown[-1])
    assert "not reached" in json.dumps(shown[-1])
    assert not running(app)


def test_a_run_over_its_time_limit_keeps_the_rounds_that_were_timed(app, stranger, monkeypatch):
    """Two passes stream, two are timed, and in the sixth the hour is over."""
    with allowed(app, 3_600), slowly(app, 0.0) as made:
        monkeypatch.setattr(compare_room, "now", lambda _: 4_000.0 if len(made) > 5 else 0.0)
        said = stranger.ask("compare", stranger.picture(red()), QUESTION, 2, 0.5, None, "fastv", 0, 4, 50, 1, *ALONE)
    assert "event: complete" in said and len(made) == 6
    (result,) = json.loads(said.split("event: complete\ndata: ")[1].split("\n")[0])
    for side in ("baseline", "fastv"):
        assert len(result[side]["timing"]["prefill_seconds"]["runs"]) == result["repeats"] == 1
    assert result["machine"]["others_busy_cores"] >= 0 and result["machine"]["cores"] > 0


def test_a_run_with_a_side_that_fails_is_no_result(app, stranger, log, monkeypatch):
    generate, calls = app.model.model.generate, []

    def fails_with_fastv(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("a detail of the inside")
        return generate(*args, **kwargs)

    monkeypatch.setattr(app.model.model, "generate", fails_with_fastv)
    number = stranger.run_number()
    said = stranger.press(
        number, *stranger.run_values(stranger.picture(red()), QUESTION, tokens=4, repeats=1), queued=True
    )
    last = [message["output"]["data"] for message in messages(said) if message["msg"] == "process_generating"][-1]
    assert (
        json.dumps(last).count(_FAILED) == 2
        and INTERNAL_ERROR in json.dumps(last)
        and "detail of the inside" not in said
    )
    assert lines(log)[-1]["outcome"] == "failed"
    calls.clear()
    said = stranger.ask("compare", stranger.picture(red()), *QUICK)
    assert "event: error" in said and "baseline" not in said


def test_the_log_says_what_ran_and_not_what_was_asked(app, stranger, log):
    before = len(lines(log))
    assert "event: complete" in stranger.ask("compare", stranger.picture(red()), *QUICK)
    assert "event: error" in stranger.ask("compare", stranger.picture(red()), " ", *QUICK[1:])
    done, refused = lines(log)[before:]
    assert (done["outcome"], done["k"], done["r"], done["method"], done["repeats"], done["tokens"]) == (
        "done",
        2,
        0.5,
        "fastv",
        2,
        [2, 2],
    )
    assert done["seconds"] > 0 and done["waited_seconds"] >= 0 and done["time"].endswith("+00:00")
    assert refused["outcome"] == "refused" and refused["tokens"] is None and refused["run"] != done["run"]
    assert set(done) == {
        "time",
        "run",
        "who",
        "outcome",
        "model",
        "k",
        "r",
        "method",
        "repeats",
        "tokens",
        "waited_seconds",
        "seconds",
    }
    assert "127.0.0.1" not in log.read_text() and "red" not in log.read_text()


def test_texts_are_in_the_log_when_that_is_asked_for(app, stranger, log):
    before, app.policy.settings = app.policy.settings, Settings(log=str(log), log_text=True)
    try:
        assert "event: complete" in stranger.ask("compare", stranger.picture(red()), *QUICK)
    finally:
        app.policy.settings = before
    last = lines(log)[-1]
    assert last["question"] == QUESTION and len(last["answers"]) == 2 and all(last["answers"])


def test_errors_come_to_gradios_client_in_words(app, tmp_path):
    (tmp_path / "red.png").write_bytes(red())
    with pytest.raises(AppError, match="question is empty"):
        Client(app.address, verbose=False).predict(handle_file(str(tmp_path / "red.png")), "", api_name="/compare")
