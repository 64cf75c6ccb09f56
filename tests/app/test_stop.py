"""Loads and runs are stopped, by the button or by closing the page, in a real browser."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from fastv.worker import Stopped
from tests.support.browser import answer_briefly, choose_model, chosen_model, opened, run

QUESTION = "#question textarea, #question input"


@contextmanager
def slowly(model):
    """Every forward of the decoder takes a tenth of a second more."""
    slow = model.family.decoder(model.model).register_forward_pre_hook(lambda *_: time.sleep(0.1))
    try:
        yield
    finally:
        slow.remove()


@pytest.fixture
def page(browser, app):
    """The page, ready."""
    with opened(browser, app.address, within=app.address) as page:
        yield page


def test_stop_ends_a_load_and_the_model_before_stays_chosen(page, monkeypatch):
    ended = threading.Event()

    def endless(source, dtype, *, stopped, **following):
        while not stopped():
            time.sleep(0.05)
        ended.set()
        raise Stopped("Loading was stopped.")

    joined = []
    page.on("request", lambda sent: joined.append(sent) if "queue/join" in sent.url else None)
    monkeypatch.setattr("fastv.loading.load.load", endless)
    choose_model(page, "#model", "LLaVA-1.5 7B")
    page.wait_for_selector("#status:has-text('Loading LLaVA-1.5 7B: up to 14.1 GB to download')")
    page.click("#stop:not([disabled])")
    page.wait_for_selector("#status:has-text('Stopped')")
    chosen_model(page, "#model", "standin")
    page.wait_for_selector("#stop[disabled]")
    assert ended.wait(10)
    assert len(joined) == 1  # Gradio's dropdown tells of a choice twice
    page.focus("#model input")
    page.press("#model input", "Tab")
    page.wait_for_timeout(600)
    assert "Stopped" in page.inner_text("#status")  # leaving the field as it was loads nothing


def test_stop_keeps_what_was_there_and_frees_the_model(page, app):
    with slowly(app.model):
        page.fill(QUESTION, "how many red ?")
        page.click("#run")
        page.wait_for_function("document.querySelector('#answers .baseline .text').innerText.length > 10")
        page.click("#stop")
        page.wait_for_selector("#status:has-text('Stopped')")
        page.wait_for_selector("#run:not([disabled])")
        assert app.model.lock.acquire(timeout=5)
        app.model.lock.release()
        time.sleep(0.5)
        assert "Stopped" in page.inner_text("#status") and len(page.inner_text("#answers .baseline .text")) > 10
    answer_briefly(page)
    run(page)


def test_a_run_that_waits_in_the_queue_says_so_and_can_be_stopped(page, app):
    with slowly(app.model):
        page.click("#run")
        page.wait_for_selector("#status:has-text('Answering')")
        with opened(page.context.browser, app.address) as other:
            other.click("#run")
            other.wait_for_selector("#status:has-text('Waiting for its turn')")
            other.wait_for_selector("#status:has-text('queue: 1/1')")
            other.click("#stop")
            other.wait_for_selector("#status:has-text('Stopped')")
            assert page.locator("#status:has-text('Answering')").count() == 1
            page.click("#stop")
            page.wait_for_selector("#status:has-text('Stopped')")
            other.wait_for_timeout(500)
            assert "Stopped" in other.inner_text("#status")


def test_a_closed_tab_frees_the_model(browser, app):
    with slowly(app.model):
        with opened(browser, app.address) as tab:
            tab.click("#run")
            tab.wait_for_selector("#status:has-text('Answering')")
        assert app.model.lock.acquire(timeout=10)
        app.model.lock.release()
