"""The page as a person uses it, in a real browser without a screen. Needs Chromium or Chrome on the machine."""

from __future__ import annotations

import pytest

from fastv.app.page import TITLE
from fastv.app.shared.example_scenes import GALLERY_SEEDS, GENERAL, example
from tests.support.browser import answer_briefly, choose_model, chosen_model, opened, run, unfold, upload

QUESTION = "#question textarea, #question input"
SUGGESTED = example(GALLERY_SEEDS[0])


@pytest.fixture
def page(browser, app):
    """The page, ready."""
    with opened(browser, app.address, height=800, within=app.address) as page:
        yield page


@pytest.fixture(scope="module")
def unanswered(browser, app):
    """One page for several tests, each of which sets all that it looks at."""
    with opened(browser, app.address, height=800, within=app.address) as page:
        yield page


@pytest.fixture(scope="module")
def answered(browser, app):
    """One page for several tests that look at what it shows after the second suggestion was asked."""
    with opened(browser, app.address, height=800, within=app.address) as page:
        unfold(page)
        page.wait_for_selector("#costs td")
        assert set(page.locator("#costs td").all_inner_texts()) == {"–"}
        assert page.locator(".chip:visible").all_inner_texts() == list(SUGGESTED.suggestions)
        answer_briefly(page)
        page.locator(".chip").nth(1).click()
        page.press(QUESTION, "Enter")
        page.wait_for_selector("#status:has-text('Done')")
        yield page


def choose(page, name: str, value: int) -> None:
    page.locator(f"#{name} input[type=number]").fill(str(value))


def test_a_question_gets_two_answers_and_a_filled_table(answered, app):
    page = answered
    assert page.title() == TITLE
    texts, cells = page.locator("#answers .text"), page.locator("#costs td")
    assert texts.count() == 2 and all(text.strip() for text in texts.all_inner_texts())
    assert cells.count() == 21 and "–" not in cells.all_inner_texts()
    assert "0.50× the tokens" in page.inner_text("#costs") and "standin in float32" in page.inner_text("#costs")
    assert "8 of its 16 patches" in page.get_attribute("#kept img", "alt") and "8 of 16" in page.inner_text("#kept")
    assert app.strangers == []


def test_the_true_answer_of_a_suggestion_is_shown(answered):
    truth = SUGGESTED.answers[SUGGESTED.suggestions[1].lower().rstrip("?.")]
    assert answered.inner_text("#answers .expected b") == truth


def test_a_run_says_what_was_asked_and_the_next_question_does_not_change_that(answered):
    answered.locator(".chip").nth(2).click()
    assert answered.input_value(QUESTION) == SUGGESTED.suggestions[2]
    assert answered.inner_text("#answers .asked .question") == SUGGESTED.suggestions[1]


def test_phone_width_has_no_sideways_scroll(answered):
    answered.set_viewport_size({"width": 390, "height": 844})
    assert answered.evaluate("document.documentElement.scrollWidth") <= 390
    parts = "[...document.querySelectorAll('#costs, #answers, #run, #kept')]"
    assert answered.evaluate(f"{parts}.every(part => part.getBoundingClientRect().right <= 390)")
    answered.set_viewport_size({"width": 1280, "height": 800})


def test_pictures_bring_their_questions_and_bad_files_are_refused(page, files):
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


def test_a_bad_question_gets_a_sentence_and_another_try(unanswered):
    page = unanswered
    for question, piece in (
        ("", "question is empty"),
        ("w" * 20_000, "20,000 characters"),
        ("is <image> red ?", "special meaning"),
    ):
        page.fill(QUESTION, question)
        page.click("#run")
        page.wait_for_selector(f"#status .problem:has-text('{piece}')")
        page.wait_for_selector("#run:not([disabled])")


def test_presets_and_sliders_move_each_other(unanswered):
    page = unanswered
    page.get_by_label("K=2, R=75%").check()
    page.wait_for_function("document.querySelector('#r input[type=number]').value === '75'")
    choose(page, "k", 3)
    page.locator("#k input[type=number]").press("Tab")
    page.wait_for_function("document.querySelector('#preset input[value=\"Your own\"]').checked")
    choose(page, "r", 50)
    page.locator("#r input[type=number]").press("Tab")
    page.wait_for_function("document.querySelector('#preset input[value=\"K=3, R=50%\"]').checked")


def test_a_field_that_holds_no_layer_or_share_is_no_error_while_it_is_typed(unanswered):
    page = unanswered
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 500 else None)
    for r, (name, value) in zip((75, 50, 75, 50), (("k", "99"), ("k", "-3"), ("k", ""), ("r", "")), strict=True):
        page.locator(f"#{name} input[type=number]").fill(value)
        page.wait_for_timeout(700)
        choose(page, "k", 2)
        choose(page, "r", r)
        page.wait_for_function(f"document.querySelector('#preset input[value=\"K=2, R={r}%\"]').checked")
    assert failed == []


def test_a_model_that_cannot_be_loaded_leaves_the_one_in_use(unanswered):
    page = unanswered
    choose_model(page, "#model", "LLaVA-1.5 7B")
    page.wait_for_selector("#status .problem:has-text('standin stays in use')")
    chosen_model(page, "#model", "standin")
