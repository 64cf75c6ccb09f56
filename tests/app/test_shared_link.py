"""A link that carries its result: shown when it is opened, previewed elsewhere, and passed on after a run."""

from __future__ import annotations

from io import BytesIO

import httpx
from PIL import Image

from fastv.app.shared_link import sent_result
from fastv.presentation.result_card import SIZE
from tests.app.test_link_preview import preview
from tests.app.test_stop import slowly
from tests.presentation.test_shared_result import RESULT
from tests.support.browser import answer_briefly, opened


def test_what_was_sent_is_text():
    from dataclasses import replace

    told = replace(RESULT, question="<script>x</script>", model='"><img src=x>')
    made = sent_result({"result": told.text})
    assert "<script>" not in made and "<img src=x" not in made and 'alt="The image' in made
    assert sent_result({"result": "nothing"}) == sent_result({}) == ""


def test_a_preview_tells_and_draws_the_result(app):
    found, usual = preview(app, result=RESULT.text), preview(app)
    assert found["og:title"] == RESULT.headline and RESULT.candidate.answer in found["og:description"]
    picture = httpx.get(found["og:image"])
    assert Image.open(BytesIO(picture.content)).size == SIZE
    other = httpx.get(f"{app.address}preview.png?result=nothing")
    assert other.content == httpx.get(usual["og:image"]).content != picture.content


def test_the_result_is_shown_and_leaves_the_address(browser, app):
    with opened(browser, f"{app.address}?result={RESULT.text}&k=1&r=50", within=app.address) as page:
        page.wait_for_selector(".sent-result h2")
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.inner_text(".sent-result h2") == RESULT.headline
        assert page.evaluate("document.querySelector('.sent-result img').naturalWidth") > 0
        page.wait_for_function("!location.search.includes('result=') && location.search.includes('k=1')")
        page.get_by_role("button", name="Hide").click()
        assert page.locator(".sent-result").count() == 0


def test_a_run_is_passed_on_and_kept_for_the_visit(browser, app):
    with opened(browser, app.address, within=app.address, permissions=["clipboard-read", "clipboard-write"]) as page:
        answer_briefly(page)
        page.fill("#question textarea", "how many red in the picture ?")
        page.click("#run")
        page.wait_for_selector("[data-share=copy]")
        page.click("[data-share=copy]")
        page.wait_for_selector(".share-note:not([hidden])")
        link = page.evaluate("navigator.clipboard.readText()")
        assert link.startswith(app.address) and "result=" in link
        card = httpx.get(page.evaluate("document.querySelector('.share-bar a[download]').href"))
        assert Image.open(BytesIO(card.content)).size == SIZE
        assert page.inner_text(".visit-count") == "1" or page.text_content(".visit-count") == "1"
        with slowly(app.model):
            page.click("#run")
            page.wait_for_selector("#status progress")
            page.reload()
            page.wait_for_selector(".share-note:not([hidden])")  # what became of the run under way
            assert app.model.lock.acquire(timeout=10)
            app.model.lock.release()
        page.wait_for_selector(".visit-runs:not([hidden])")
        page.locator(".visit-runs summary").click()
        assert "how many red" in page.inner_text(".visit-runs tbody")
        page.goto(link)
        page.wait_for_selector(".sent-result h2")
        page.get_by_text("Forget them").wait_for(state="attached")
