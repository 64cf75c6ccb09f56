"""What people, models and errors say is text on the page, whatever it looks like."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from fastv.app.shared.example_scenes import GENERAL
from fastv.errors import FastVError
from fastv.measurement import compare as compare_room
from tests.support.browser import answer_briefly, choose, opened, run, upload

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>[a](javascript:alert(3))**b**{{7*7}}"
ASK = "#question textarea, #question input"


@pytest.fixture
def page(browser, app):
    with opened(browser, f"{app.address}?question=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E") as page:
        yield page


def injected(page) -> list[str]:
    """Elements that the page did not make: its own pictures are data URLs."""
    parts = "#answers, #status, #costs, #kept, [data-testid=toast-body]"
    elements = "img:not([src^=data]), script, a[href], b:not(:only-child), strong"
    found = f"part => [...part.querySelectorAll('{elements}')].map(element => element.outerHTML)"
    return page.evaluate(f"[...document.querySelectorAll('{parts}')].flatMap({found})")


def test_a_hostile_question_and_a_hostile_answer_are_text(page, monkeypatch):
    monkeypatch.setattr(compare_room, "answer_text", lambda *_: HOSTILE)
    page.wait_for_function(
        "([field, value]) => document.querySelector(field).value === value", arg=[ASK, "<img src=x onerror=alert(1)>"]
    )  # from the link
    answer_briefly(page)
    page.fill(ASK, HOSTILE)
    run(page)
    assert page.locator("#answers .text").all_inner_texts() == [HOSTILE] * 2
    assert len(injected(page)) <= 1  # our own bold count of visual tokens
    assert "<img" in page.inner_text("#answers") and "49" not in page.inner_text("#answers")


def test_a_hostile_error_is_text(page, monkeypatch):
    def fails(*_, **__):
        raise FastVError(f"There is no “{HOSTILE}”.")

    monkeypatch.setattr("fastv.measurement.compare.compare", fails)
    page.click("#run")
    page.wait_for_selector("#status .problem")
    assert HOSTILE in page.inner_text("#status")
    page.wait_for_selector("[data-testid=toast-body]")
    assert injected(page) == []


def test_a_hostile_file_name_is_text(page):
    name = "<img src=x onerror=alert(1)>**b**"
    picture = io.BytesIO()
    Image.new("RGB", (60, 60), "red").save(picture, "PNG")
    page.click("#picture [aria-label='Remove Image']")
    page.wait_for_selector(f".chip:has-text('{GENERAL[0]}')")
    page.wait_for_selector("#picture [data-testid=block-label]")
    for content, sign in ((b"none", "[data-testid=toast-body]"), (picture.getvalue(), "#picture img")):
        upload(
            page, "#picture input[type=file]", {"name": f"{name}.png", "mimeType": "image/png", "buffer": content}, sign
        )
        assert injected(page) == [] and page.locator("img[onerror]").count() == 0
    page.get_by_role("tab", name="Explore").click()
    choose(page, "#explore-model", "Your config")
    file = {"name": f"{name}.json", "mimeType": "application/json", "buffer": b"{}"}
    upload(page, "input[type=file][accept='.json']", file, "#explore-problem:not(:empty)")
    assert injected(page) == [] and page.locator("img[onerror]").count() == 0
