"""Two models side by side, in a real browser and from a script; the larger miniature is untrained."""

from __future__ import annotations

import re

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from fastv.app.service.model_pool import ModelPool
from fastv.loading.load import load
from tests.support.browser import answer_briefly, choose_model, chosen_model, opened, run, unfold, wait_for
from tests.support.miniatures import catalogue_with, untrained_mini_13
from tests.support.serving import serving

PAIR_PRESET = '#preset input[value="Larger model, equal cost"]'


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory):
    """The app with both miniatures."""
    entry = untrained_mini_13(tmp_path_factory.mktemp("miniatures"))
    with serving(ModelPool(load("mini-7"), catalogue=catalogue_with(entry))) as app:
        yield app


def number(page, name: str, value: str) -> None:
    page.locator(f"#{name} input[type=number]").fill(value)
    page.locator(f"#{name} input[type=number]").press("Tab")


def headings(page) -> list[str]:
    return page.locator("#answers h3").all_inner_texts() + page.locator("#costs thead th").all_inner_texts()[1:]


def test_the_page_begins_with_one_model_with_and_without_pruning(browser, app):
    with opened(browser, app.address) as page:
        assert page.inner_text("#compare-with").startswith("Compare with: the same model")
        assert not page.is_visible("#baseline-model") and not page.is_checked(PAIR_PRESET)
        page.check("#preset input[value='K=3, R=50%']")
        page.wait_for_url("**k=3&**")
        assert "baseline" not in page.url


# First of those with both miniatures: the larger one is not in memory yet.
def test_a_link_brings_its_models_and_fits_a_phone(browser, miniatures):
    with opened(browser, f"{miniatures.address}?model=mini-13&k=2&r=50.3&baseline=mini-7", width=390) as page:
        page.wait_for_selector("#answers:has-text('mini-13 with FastV')")
        page.click("#compare-with button")
        page.wait_for_selector("#baseline-model")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        parts = "[...document.querySelectorAll('#tiles, #answers, #compare-with, #baseline-r')]"
        assert page.evaluate(f"{parts}.every(part => part.getBoundingClientRect().right <= 390)")


def test_the_pair_preset_is_set_up_run_shared_and_reported(browser, miniatures, tmp_path):
    with opened(browser, miniatures.address) as page:
        unfold(page)
        page.check(PAIR_PRESET)
        page.wait_for_selector("#status:has-text('mini-13 and mini-7 are loaded')")
        wait_for(page, "r", "50.3")
        chosen_model(page, "#model", "mini-13")
        assert page.is_checked(PAIR_PRESET)
        page.wait_for_selector("#compare-with:has-text('Compare with: mini-7')")
        page.wait_for_selector("#answers:has-text('mini-13 with FastV')")
        expected = [
            "mini-7 without pruning",
            "mini-13 with FastV K=2, R=50.3%",
            "mini-7",
            "mini-13 with FastV",
        ]
        assert headings(page)[:-1] == expected and "mini-7" in headings(page)[-1]  # the ratio's
        answer_briefly(page, tokens=2)
        run(page)
        assert headings(page)[:-1] == expected
        assert "mini-7 in float32 and mini-13 in float32" in page.inner_text("#costs")
        assert re.search("(0.99|1.0[01])× the FLOPs", page.inner_text("#costs")) and not page.is_visible("#other-kept")
        assert "286 of 576" in page.inner_text("#kept")
        page.get_by_text("Use this in Python").click()
        page.wait_for_selector('#use-this:has-text(\'"mini-7": ("mini-7", None)\')')
        with page.expect_download() as download:
            page.click("#download-html")
        assert download.value.suggested_filename == "fastv-mini-13-k2-r50.3-beside-mini-7.html"
        download.value.save_as(tmp_path / "report.html")
        page.wait_for_url("**baseline=mini-7**")
        link = page.url
    with opened(browser, link) as page:
        page.wait_for_selector("#compare-with:has-text('Compare with: mini-7')")
        wait_for(page, "r", "50.3")
        chosen_model(page, "#model", "mini-13")
        assert page.is_checked(PAIR_PRESET)
        page.get_by_role("tab", name="Explore").click()
        page.click('#map button[data-k="3"][data-r="0.75"]')
        page.wait_for_selector("#map .readout:has-text('K=3, R=75%')")
        page.get_by_role("tab", name="Compare").click()
        wait_for(page, "k", "3")
        assert page.is_checked("#preset input[value='Your own']")
        assert page.inner_text("#compare-with").startswith("Compare with: mini-7")
        page.goto(f"file://{tmp_path}/report.html")
        assert page.inner_text("h1") == "mini-13 with FastV vs. mini-7"
        again = page.get_attribute(".link a", "href")
        assert "model=mini-13" in again and "baseline=mini-7" in again


def test_a_preset_of_one_model_ends_the_pair(browser, miniatures):
    with opened(browser, miniatures.address) as page:
        page.check(PAIR_PRESET)
        page.wait_for_selector("#compare-with:has-text('Compare with: mini-7')")
        page.check("#preset input[value='K=2, R=75%']")
        page.wait_for_selector("#compare-with:has-text('Compare with: the same model')")
        wait_for(page, "r", "75")
        chosen_model(page, "#model", "mini-13")
        assert page.is_checked("#preset input[value='K=2, R=75%']")


def test_the_other_side_is_any_model_with_any_pruning(browser, miniatures):
    with opened(browser, miniatures.address) as page:
        unfold(page)
        page.click("#compare-with button")
        page.click("#baseline-model input")
        page.keyboard.type("mini-13")  # searched among all options, in place of what was chosen
        page.keyboard.press("Enter")
        page.wait_for_selector("#status:has-text('is mini-13')")
        assert page.get_attribute("#baseline-k input[type=number]", "max") == "9"
        number(page, "baseline-r", "75")
        page.wait_for_selector("#compare-with:has-text('Compare with: mini-13 at K=2, R=75%')")
        number(page, "r", "0")
        page.wait_for_selector("#answers:has-text('mini-13 with FastV')")
        answer_briefly(page, tokens=2)
        run(page)
        assert headings(page)[:2] == ["mini-13 with FastV K=2, R=75%", "mini-7 without pruning"]
        assert "144 of 576" in page.inner_text("#kept") and not page.is_visible("#other-kept")
        number(page, "r", "50")
        page.click("#run")
        page.wait_for_selector("#other-kept img")
        assert "288 of 576" in page.inner_text("#kept") and "144 of 576" in page.inner_text("#other-kept")
        page.wait_for_selector("#status:has-text('Done')")
        number(page, "baseline-r", "0")
        choose_model(page, "#baseline-model", "The same model")
        page.wait_for_selector("#compare-with:has-text('Compare with: the same model')")


def test_a_model_that_cannot_be_loaded_leaves_the_other_side_as_it_was(browser, miniatures):
    with opened(browser, miniatures.address) as page:
        unfold(page)
        page.click("#compare-with button")
        choose_model(page, "#baseline-model", "LLaVA-1.5 7B")
        page.wait_for_selector("#status .problem")
        chosen_model(page, "#baseline-model", "The same model")
        assert page.inner_text("#compare-with").startswith("Compare with: the same model")


@pytest.mark.slow
def test_scripts_compare_any_two(miniatures, files):
    client = Client(miniatures.address, verbose=False)

    def ask(**settings):
        return client.predict(
            image=handle_file(files["red"]),
            question="how many ?",
            max_new_tokens=2,
            repeats=1,
            api_name="/compare",
            **settings,
        )

    result = ask(k=2, r=0.5, model="mini-13", baseline_model="mini-7")
    assert [(result[side]["model"], result[side]["k"]) for side in ("baseline", "fastv")] == [
        ("mini-7", None),
        ("mini-13", 2),
    ]
    assert (result["model"], result["k"], result["r"]) == ("mini-13", 2, 0.5)
    swapped = ask(k=None, baseline_model="mini-13", baseline_k=2)
    assert swapped["k"] is None and swapped["baseline"]["r"] == 0.5
    for side, other in (("baseline", "fastv"), ("fastv", "baseline")):
        for field in ("answer", "prefill_flops", "kv_cache_bytes", "kept", "peak_bytes"):
            assert result[side][field] == swapped[other][field]
    for wrong, piece in (({"baseline_model": "nobody"}, "There is no model"), ({"baseline_k": 8}, "layers")):
        with pytest.raises(AppError, match=piece):
            ask(**wrong)
