"""A page that outlives its app: it finds the one that was started anew, with all that had been chosen."""

from __future__ import annotations

from contextlib import ExitStack

from fastv.app.service.model_pool import ModelPool
from fastv.loading.load import load
from tests.support.browser import opened, wait_for
from tests.support.ports import free_port
from tests.support.serving import serving
from tests.support.standins import save_llava_checkpoint

QUESTION = "#question textarea, #question input"


def test_a_page_opens_itself_again_when_the_app_was_started_anew(browser, tmp_path):
    save_llava_checkpoint(tmp_path / "standin", seed=3)
    port = free_port()
    first = ExitStack()
    address = first.enter_context(serving(ModelPool(load(str(tmp_path / "standin"))), port)).address
    with first, opened(browser, f"{address}?scene=107&k=1") as page:
        wait_for(page, "k", "1")
        page.fill(QUESTION, "what was here ?")
        page.wait_for_url("**what+was+here**")
        page.evaluate("window.before = true")
        with page.expect_response("**/app_id"):  # looked at three seconds after the last time at the earliest
            page.wait_for_timeout(3_100)
            page.click("#question label")
        page.wait_for_timeout(3_100)
        assert page.evaluate("window.before")  # the app is the same, so nothing happens
        first.close()
        with serving(ModelPool(load(str(tmp_path / "standin"))), port):
            page.click("#run")
            page.wait_for_function("window.before === undefined")
            page.wait_for_selector("#picture img")
            page.wait_for_function(
                "([field, value]) => document.querySelector(field)?.value === value", arg=[QUESTION, "what was here ?"]
            )
            wait_for(page, "k", "1")
            page.click("#run")
            page.wait_for_selector("#status:has-text('Done')")
