"""The page as a person uses it, in a real browser without a screen. Needs Chromium or Chrome on the machine."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from fastv.app.page import TITLE
from fastv.app.shared.example_scenes import GALLERY_SEEDS, GENERAL, example
from fastv.worker import Stopped
from tests.support.browser import answer_briefly, choose_model, chosen_model, opened, run, unfold, upload

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
    with opened(browser, app.address, height=800, within=app.address) as page:
        yield page


def choose(page, name: str, value: int) -> None:
    page.locator(f"#{name} input[type=number]").fill(str(value))


def test_a_question_gets_two_answers_and_a_filled_table(page, app):
    assert page.title() == TITLE
    unfold(page)
    page.wait_for_selector("#costs td")
    cells = page.locator("#costs td")
    assert set(cells.all_inner_texts()) == {"–"}
    answer_briefly(page)
    page.fill(QUESTION, "how many red in the picture ?")
    run(page)
    assert (
        all(text.strip() for text in page.locator("#answers .text").all_inner_texts())
        and page.locator("#answers .text").count() == 2
    )
    assert cells.count() == 21 and "–" not in cells.all_inner_texts()
    assert "0.50× the tokens" in page.inner_text("#costs") and "standin in float32" in page.inner_text("#costs")
    assert "8 of its 16 patches" in page.get_attribute("#kept img", "alt") and "8 of 16" in page.inner_text("#kept")
    assert app.strangers == []


def test_a_suggestion_is_asked_and_its_true_answer_shown(page):
    made = example(GALLERY_SEEDS[0])
    assert page.locator(".chip:visible").all_inner_texts() == list(made.suggestions)
    answer_briefly(page)
    page.locator(".chip").nth(1).click()
    page.press(QUESTION, "Enter")
    page.wait_for_selector("#status:has-text('Done')")
    truth = made.answers[made.suggestions[1].lower().rstrip("?.")]
    assert page.inner_text("#answers .expected b") == truth


def test_pictures_bring_their_questions(page):
    def another(selector: str) -> None:
        """Clicks, until there is another picture."""
        before = page.get_attribute("#picture img", "src")
        page.locator(selector).nth(3 if "examples" in selector else 0).click()
        page.wait_for_function("before => document.querySelector('#picture img').src !== before", arg=before)

    question = page.locator(QUESTION)
    another("#examples button.thumbnail-item")
    first = example(GALLERY_SEEDS[3]).suggestions
    page.wait_for_selector(f".chip:has-text('{first[0]}')")
    assert question.input_value() == first[0]
    question.fill("a question of my own")
    another("#new-scene")
    assert question.input_value() == "a question of my own"


def test_an_uploaded_picture_is_accepted_and_bad_files_are_refused(page, files):
    page.click("#picture [aria-label='Remove Image']")
    page.wait_for_selector(f".chip:has-text('{GENERAL[0]}')")
    page.click("#run")
    page.wait_for_selector("#status:has-text('There is no image')")
    for name, piece in (("words", "not an image"), ("huge", "megapixels")):
        upload(page, "#picture input[type=file]", files[name], f"[data-testid=toast-body]:has-text('{piece}')")
        page.wait_for_selector("#picture img", state="detached")
        page.evaluate("document.querySelectorAll('[data-testid=toast-close]').forEach((button) => button.click())")
        page.wait_for_selector("[data-testid=toast-body]", state="detached")
    upload(page, "#picture input[type=file]", files["red"], "#picture img")
    answer_briefly(page)
    run(page)
    assert page.inner_text("#answers .expected") == ""


def test_a_bad_question_gets_a_sentence_and_another_try(page):
    for question, piece in (
        ("", "question is empty"),
        ("w" * 20_000, "20,000 characters"),
        ("is <image> red ?", "special meaning"),
    ):
        page.fill(QUESTION, question)
        page.click("#run")
        page.wait_for_selector(f"#status .problem:has-text('{piece}')")
        page.wait_for_selector("#run:not([disabled])")


def test_presets_and_sliders_move_each_other(page):
    page.get_by_label("K=2, R=75%").check()
    page.wait_for_function("document.querySelector('#r input[type=number]').value === '75'")
    choose(page, "k", 3)
    page.locator("#k input[type=number]").press("Tab")
    page.wait_for_function("document.querySelector('#preset input[value=\"Your own\"]').checked")
    choose(page, "r", 50)
    page.locator("#r input[type=number]").press("Tab")
    page.wait_for_function("document.querySelector('#preset input[value=\"K=3, R=50%\"]').checked")


def test_a_field_that_holds_no_layer_or_share_is_no_error_while_it_is_typed(page):
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 500 else None)
    for r, (name, value) in zip((75, 50, 75, 50), (("k", "99"), ("k", "-3"), ("k", ""), ("r", "")), strict=True):
        page.locator(f"#{name} input[type=number]").fill(value)
        page.wait_for_timeout(700)
        choose(page, "k", 2)
        choose(page, "r", r)
        page.wait_for_function(f"document.querySelector('#preset input[value=\"K=2, R={r}%\"]').checked")
    assert failed == []


def test_a_model_that_cannot_be_loaded_leaves_the_one_in_use(page):
    choose_model(page, "#model", "LLaVA-1.5 7B")
    page.wait_for_selector("#status .problem:has-text('standin stays in use')")
    chosen_model(page, "#model", "standin")


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


def test_a_run_says_what_was_asked_and_the_next_question_does_not_change_that(page):
    answer_briefly(page)
    page.fill(QUESTION, "how many red ?")
    run(page)
    page.locator(".chip").nth(1).click()
    assert page.inner_text("#answers .asked .question") == "how many red ?"


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
        other = page.context.new_page()
        other.goto(app.address)
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
        tab = browser.new_page()
        tab.goto(app.address)
        tab.click("#run")
        tab.wait_for_selector("#status:has-text('Answering')")
        tab.close()
        assert app.model.lock.acquire(timeout=10)
        app.model.lock.release()


def test_phone_width_has_no_sideways_scroll(page):
    page.set_viewport_size({"width": 390, "height": 844})
    answer_briefly(page)
    unfold(page)
    run(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    parts = "[...document.querySelectorAll('#costs, #answers, #run, #kept')]"
    assert page.evaluate(f"{parts}.every(part => part.getBoundingClientRect().right <= 390)")
