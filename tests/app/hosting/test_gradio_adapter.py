"""Gradio's private attributes are where the adapter expects them: one failure here tells what an upgrade changed."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from fastv.app.hosting import gradio_adapter, gradio_queue
from fastv.app.hosting.event_options import MODEL_QUEUE, ONE_AT_A_TIME
from tests.support.http_client import Stranger


class Worker:
    """What the page's one endpoint does: it works until it is told to go on, or its asker has left."""

    def __init__(self):
        self.go_on, self.left, self.sessions = threading.Event(), threading.Event(), []

    def work(self, text: str) -> str:
        self.sessions.append(gradio_adapter.current_request().session_hash)
        gone = gradio_adapter.disconnected()
        while not self.go_on.wait(0.02):
            if gone():
                self.left.set()
                break
        return text


def repeated(text: str, times: int = 2, end: str | None = None) -> str:
    return text * times + (end or "")


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def page(worker, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks() as page:
        gr.Image(Image.new("RGB", (4, 4)), format="png")
        gr.Textbox("hello", label="a text")
        gr.api(worker.work, api_name="work", **ONE_AT_A_TIME)
        gr.api(worker.work, api_name="other", api_visibility="private")
        gr.api(repeated, api_name="repeated", queue=False)
    page.queue(max_size=9)
    gradio_queue.limit(page, most=2, most_per_visitor=1)
    gradio_adapter.stop_in_order(page)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, server_name="127.0.0.1")
    page.address = address
    yield page
    worker.go_on.set()
    page.close(verbose=False)


def within(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())


def join(page, session: str):
    number = next(function._id for function in page.fns.values() if function.api_name == "work")
    stranger = Stranger(page.address, session=session)
    body = {"data": ["hello"], "fn_index": number, "session_hash": session}
    return stranger, stranger.http.post("/gradio_api/queue/join", json=body)


@pytest.mark.slow
def test_events_are_counted_and_refused_beyond_the_limits(page, worker):
    assert join(page, "one")[1].status_code == 200
    assert within(lambda: gradio_adapter.running_events(page, MODEL_QUEUE) == 1)
    assert gradio_adapter.waiting_events(page, MODEL_QUEUE) == 0
    assert join(page, "one")[1].status_code == join(page, "two")[1].status_code == 200
    assert gradio_adapter.waiting_events(page, MODEL_QUEUE) == 2
    assert gradio_adapter.waiting_events(page, MODEL_QUEUE, "two") == 1
    assert join(page, "three")[1].status_code == 503
    assert gradio_adapter.waiting_events(page, "no such queue") == gradio_adapter.running_events(page, "none") == 0


def test_one_visitor_gets_only_a_part_of_the_queue(page):
    assert join(page, "one")[1].status_code == 200
    assert within(lambda: gradio_adapter.running_events(page, MODEL_QUEUE) == 1)
    assert [join(page, "one")[1].status_code for _ in range(2)] == [200, 422]


def test_an_asker_that_hangs_up_is_noticed(page, worker):
    stranger, answer = join(page, "one")
    assert answer.status_code == 200
    with stranger.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "one"}):
        assert within(lambda: worker.sessions == ["one"])
        assert not worker.left.is_set()
    assert worker.left.wait(10)


def test_an_asker_that_stays_is_not_taken_for_gone(page, worker):
    stranger, _ = join(page, "one")
    threading.Timer(0.5, worker.go_on.set).start()
    answer = stranger.http.get("/gradio_api/queue/data", params={"session_hash": "one"}).text
    assert "hello" in answer and not worker.left.is_set()


def test_stop_starts_nothing_that_waits(page, worker):
    stranger, _ = join(page, "one")
    assert within(lambda: worker.sessions == ["one"])
    waiting = join(page, "one")[1].json()["event_id"]
    number = next(function._id for function in page.fns.values() if function.api_name == "work")
    body = {"event_id": waiting, "session_hash": "one", "fn_index": number}
    assert stranger.http.post("/gradio_api/cancel", json=body).status_code == 200
    assert within(lambda: gradio_adapter.running_events(page, MODEL_QUEUE) == 0)
    assert gradio_adapter.waiting_events(page, MODEL_QUEUE) == 0
    assert worker.sessions == ["one"]


def test_outside_of_an_event_there_is_no_request():
    assert gradio_adapter.current_request() is None
    assert gradio_adapter.disconnected()() is False


def test_the_page_tells_its_endpoints_its_files_and_whether_it_is_stopped(page, tmp_path):
    assert gradio_adapter.public_endpoints(page) == ["work", "repeated"]
    files = gradio_adapter.built_in_files(page)
    assert files and all(Path(file).is_relative_to(tmp_path) for file in files)
    assert not gradio_adapter.is_stopped(page)
    page.close(verbose=False)
    assert gradio_adapter.is_stopped(page)


def test_values_left_out_at_the_end_are_the_endpoints_defaults(page):
    gradio_adapter.fill_missing_values(page)
    stranger = Stranger(page.address)
    for values, answer in ((("ab",), "abab"), (("ab", 3), "ababab"), (("ab", 1, "."), "ab.")):
        assert f'["{answer}"]' in stranger.ask("repeated", *values)
    assert "event: error" in stranger.ask("repeated")


def test_a_file_goes_into_the_cache(page, tmp_path):
    with page:
        button = gr.DownloadButton("Report")
    path = Path(gradio_adapter.cache_file(button, "a.txt", "text \ud800"))
    assert path.name == "a.txt" and path.read_bytes() == b"text ?" and path.is_relative_to(tmp_path)


def test_components_are_described_once_and_sessions_keep_their_own_values(page):
    from gradio.state_holder import SessionState

    one, other = SessionState(page), SessionState(page)
    fresh = {number: gradio_adapter._config_for_block(number, [], block) for number, block in page.blocks.items()}
    gradio_adapter.share_block_configs(page)
    described = SessionState(page)
    assert described.config_values == one.config_values == other.config_values == fresh
    number = next(number for number, config in fresh.items() if "value" in config["props"])
    described._update_value_in_config(number, "of this session")
    assert described.config_values[number]["props"]["value"] == "of this session"
    assert SessionState(page).config_values == fresh


def test_a_component_that_a_session_changed_is_described_anew(page):
    from gradio.state_holder import SessionState

    gradio_adapter.share_block_configs(page)
    session = SessionState(page)
    number, box = next((number, block) for number, block in page.blocks.items() if isinstance(block, gr.Textbox))
    session[number] = gr.Textbox(label="another label")
    session._update_config(number)
    assert session.config_values[number]["props"]["label"] == "another label"
    assert SessionState(page).config_values[number]["props"]["label"] == box.label


def test_a_new_session_describes_no_component(page, monkeypatch):
    from gradio.state_holder import SessionState

    gradio_adapter.share_block_configs(page)
    described = []
    monkeypatch.setattr(gr.Textbox, "get_config", lambda self, *_: described.append(self) or {})
    SessionState(page)
    assert described == []


@pytest.mark.slow
def test_an_idle_queue_wakes_seldom(page, monkeypatch):
    def woken() -> int:
        times.clear()
        time.sleep(0.5)
        return len(times)

    times, sleep = [], asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: times.append(seconds) or sleep(seconds))
    before = woken()
    gradio_adapter.look_less_often(page)
    woken()  # what was begun before
    assert 0 < woken() < before / 3
