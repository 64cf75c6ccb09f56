"""Export in a real browser: a link restores the page, a report opens by itself with the page's numbers."""

from __future__ import annotations

import csv
from urllib.parse import parse_qs, urlsplit

from fastv.app.shared.example_scenes import GALLERY_SEEDS
from tests.support.browser import answer_briefly, opened, run, unfold, wait_for

QUESTION = "#question textarea, #question input"


def test_a_link_restores_the_page_in_a_fresh_browser(browser, app):
    with opened(browser, f"{app.address}?__theme=light") as page:
        page.check("#preset input[value='K=3, R=50%']")
        wait_for(page, "k", "3")
        page.fill(QUESTION, "is it ünder & “this”?")
        page.locator("#examples button.thumbnail-item").nth(3).click()
        page.wait_for_url(f"**scene={GALLERY_SEEDS[3]}&**")
        page.wait_for_url("**k=3&**")
        page.wait_for_function("location.search.includes('question=is+it')")
        page.get_by_role("tab", name="Explore").click()
        page.wait_for_url("**tab=explore**")
        page.wait_for_timeout(500)
        link, picture = page.url, page.get_attribute("#picture img", "src").split("/", 3)[-1][-60:]
        assert "__theme=light" in link and parse_qs(urlsplit(link).query)["model"] == ["standin"]
    with opened(browser, link) as page:
        wait_for(page, "k", "3")
        wait_for(page, "r", "50")
        page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Explore')")
        page.wait_for_selector("#map .readout:has-text('K=3, R=50%')")
        page.get_by_role("tab", name="Compare").click()
        assert page.input_value(QUESTION) == "is it ünder & “this”?"
        assert page.is_checked("#preset input[value='K=3, R=50%']")
        page.wait_for_function("end => document.querySelector('#picture img').src.endsWith(end)", arg=picture)


def test_nonsense_in_a_link_leaves_the_page_as_it_is(browser, app):
    with opened(
        browser, f"{app.address}?k=zzz&r=900&model=../../x&rank=%00&method=%00&scene=-1&tab=<script>&question="
    ) as page:
        wait_for(page, "k", "2")
        page.wait_for_selector("#run:not([disabled])")
        assert page.input_value(QUESTION).strip()


def test_a_report_opens_without_a_network_and_holds_the_numbers_on_the_screen(browser, app, tmp_path):
    with opened(browser, app.address) as page:
        assert page.is_disabled("#download-html")
        unfold(page)
        answer_briefly(page)
        run(page)
        for kind in ("html", "csv", "json"):
            with page.expect_download() as download:
                page.click(f"#download-{kind}")
            download.value.save_as(tmp_path / f"report.{kind}")
            assert download.value.suggested_filename == f"fastv-standin-k2-r50.{kind}"
        cells = page.locator("#costs td").all_inner_texts()
        measured = page.inner_text("#costs .measured")
        page.get_by_text("Use this in Python").click()
        page.wait_for_selector("#use-this:has-text('max_new_tokens=4')")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(f"file://{tmp_path}/report.html")
    shown = page.locator(".costs td").all_inner_texts()
    assert ["".join(cell.split()) for cell in shown] == ["".join(cell.split()) for cell in cells]
    assert page.inner_text(".measured") == measured
    assert page.evaluate("[...document.images].map(image => image.naturalWidth > 0)") == [True, True]
    link = page.get_attribute(".link a", "href")
    assert link.startswith(app.address) and "k=2" in link and f"scene={GALLERY_SEEDS[0]}" in link
    context.close()
    assert [line["side"] for line in csv.DictReader((tmp_path / "report.csv").open())] == ["baseline", "fastv"]
