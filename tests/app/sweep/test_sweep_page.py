"""The Sweep tab in a real browser: a sweep to its end, one that is stopped and gone on with, files, and the address."""

from __future__ import annotations

import csv
import json

import pytest

from tests.support.browser import opened, upload, wait_for

READY = "#sweep-start:not([disabled])"


@pytest.fixture
def page(browser, app):
    address = f"{app.address}?tab=sweep&s_model=standin&s_questions=3&s_r=50&s_controls=0"
    with opened(browser, address, within=app.address) as page:
        page.wait_for_selector("#sweep-start")
        wait_for(page, "sweep-questions", "3")
        yield page


OWN = "#sweep-result .sweep-found:not(.recorded)"


def rows(page) -> int:
    """Of a sweep that was run on the page."""
    return page.locator(f"{OWN} .figures tbody tr").count()


def test_a_sweep_runs_to_its_end_and_is_taken_away(page, tmp_path):
    page.click("#sweep-estimate")
    page.wait_for_function("document.querySelector('#sweep-status').textContent.includes('timed passes')")
    page.wait_for_selector(READY)
    assert rows(page) == 0
    page.click("#sweep-start")
    page.wait_for_selector("#sweep-download-csv:not([disabled])")
    assert rows(page) == 2 and page.locator(f"{OWN} .dot").count() == 2
    assert page.inner_text(f"{OWN} .sweep-verdict").strip()
    for kind in ("html", "csv", "json", "parquet"):
        with page.expect_download() as told:
            page.click(f"#sweep-download-{kind}")
        told.value.save_as(tmp_path / f"found.{kind}")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["questions"] == 3 and len(found["rows"]) == 2
    with (tmp_path / "found.csv").open() as file:
        assert [row["method"] for row in csv.DictReader(file) if not row["part"]] == ["", "fastv"]
    page.locator(f"{OWN} .dot[data-k='2']").click()
    page.get_by_role("tab", name="Compare").click()
    wait_for(page, "r", "50")
    page.get_by_role("tab", name="Explore").click()
    page.wait_for_selector("#explore-sweep .dot[data-k='2']")
    assert page.locator("#explore-sweep .dot").count() == 2


def test_a_sweep_is_stopped_and_goes_on(page):
    page.fill("#sweep-questions input[type=number]", "16")
    page.fill("#sweep-r textarea, #sweep-r input", "25, 50, 75")
    page.wait_for_function("location.search.includes('s_questions=16') && location.search.includes('s_r=25')")
    page.click("#sweep-start")
    page.wait_for_function(
        "/^[1-9]\\d* of 16 questions answered/.test(document.querySelector('#sweep-status').innerText)"
    )
    page.click("#sweep-stop")
    page.wait_for_selector(READY)
    page.wait_for_selector("#sweep-stop[disabled]")
    page.click("#sweep-start")
    page.wait_for_selector(f"{OWN} tbody tr")
    page.wait_for_selector(READY)
    assert rows(page) == 4
    page.wait_for_selector("#sweep-download-csv:not([disabled])")


def test_what_cannot_be_asked_is_said_and_nothing_is_lost(page, tmp_path):
    page.fill("#sweep-r textarea, #sweep-r input", "half")
    page.wait_for_selector("#sweep-plan .problem")
    page.fill("#sweep-r textarea, #sweep-r input", "50")
    page.wait_for_selector("#sweep-plan .problem", state="detached")
    page.get_by_label("Own file").check()
    (tmp_path / "q.csv").write_text("image,question\ngone.png,What?\n")
    upload(page, "#sweep-upload input[type=file]", tmp_path / "q.csv", "#sweep-upload :text('q.csv')")
    page.click("#sweep-start")
    page.wait_for_selector("#sweep-status .problem")
    page.wait_for_selector(READY)
    assert "gone.png" in page.inner_text("#sweep-status")


def test_all_columns_of_the_table_are_seen_without_scrolling_and_nothing_is_wider_than_a_phone(browser, app):
    with opened(browser, f"{app.address}?tab=sweep", height=800) as page:
        page.wait_for_selector("#sweep-result .figures")
        wide = page.locator("#sweep-result .wide")
        for width in (1280, 1000):
            page.set_viewport_size({"width": width, "height": 800})
            assert wide.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
