"""Measured quality in a real browser: seen, heard, and loaded by a click."""

from __future__ import annotations

import json

import pytest

from fastv.evidence import measurements
from fastv.pruning.methods.registry import METHODS
from tests.support.browser import choose, opened
from tests.support.recorded_runs import record


@pytest.fixture(scope="module", autouse=True)
def data(tmp_path_factory):
    """One twin measured, as if."""
    folder, before = tmp_path_factory.mktemp("measured"), measurements.FOLDER
    (folder / "mini-7.json").write_text(json.dumps(record("mini-7", lost={(2, 0.9, "fastv"): 0.2})))
    measurements.FOLDER = folder
    measurements._all_of.cache_clear()
    yield
    measurements.FOLDER = before
    measurements._all_of.cache_clear()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_measured_point_is_shown_and_loaded(browser, app, width):
    with opened(browser, app.address, width=width) as page:
        page.get_by_role("tab", name="Explore").click()
        page.wait_for_selector("#findings .findings dd")
        page.check("#measure input[value=quality]")
        page.wait_for_selector("#map:has-text('Table 1')")
        choose(page, "#benchmark", "Drawn scenes")
        page.wait_for_selector("#frontier .dot.method-random")
        page.focus("#frontier .dot[tabindex='0']")
        page.keyboard.press("ArrowRight")
        tip = page.locator("#frontier .dot:focus + .tip")
        assert tip.is_visible() and "95% CI" in tip.inner_text()
        page.locator("#frontier button[data-model='mini-7'][data-k='2'][data-r='0.9'].method-fastv").dispatch_event(
            "click"
        )
        page.wait_for_selector("#map .readout:has-text('K=2, R=90%')")
        assert page.input_value("#explore-model input") == "mini-7"
        assert "95% CI" in page.inner_text("#map .readout")
        page.click("#map button[data-k='1'][data-r='0.5']")
        page.wait_for_selector("#map .readout:has-text('K=1, R=50%')")
        choose(page, "#quality-method", METHODS["divprune"].label)
        page.wait_for_selector("#map:not(:has(.plane)) span.dot")  # measured over its cost alone
        page.focus("#map span.dot[tabindex='0']")
        page.keyboard.press("ArrowRight")
        tip = page.locator("#map .dot:focus + .tip")
        assert tip.is_visible() and "95% CI" in tip.inner_text()
        page.click("#map .dot:focus")  # tells, and selects nothing
        assert page.input_value("#explore-k input[type=number]") == "1"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
