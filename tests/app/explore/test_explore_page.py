"""The explorer as a person and a script use it: served for real, and in a real browser without a screen."""

from __future__ import annotations

import inspect
import statistics
import time

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from fastv.app.api.costs import cost
from fastv.evidence.exhibit import exhibits
from fastv.pruning.methods.registry import METHODS
from tests.support.browser import choose, opened, upload


@pytest.fixture
def page(browser, app):
    """The explorer, ready."""
    with opened(browser, app.address, within=app.address) as page:
        page.get_by_role("tab", name="Explore").click()
        page.wait_for_selector("#map td button")
        yield page


def cell(k: int, r: float) -> str:
    return f'#map button[data-k="{k}"][data-r="{r}"]'


def wait_for(page, name: str, value: str) -> None:
    page.wait_for_function(
        "([name, value]) => document.querySelector(`#${name} input[type=number]`).value === value", arg=[name, value]
    )


def test_the_map_is_walked_by_keyboard_and_a_click_moves_k_and_r_everywhere(page):
    page.focus(cell(2, 0.5))
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#map .readout:has-text('K=1, R=70%')")
    page.wait_for_function("document.activeElement.ariaLabel?.startsWith('K=1, R=70%')")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.ariaLabel").startswith("K=1, R=60%")
    page.click(cell(3, 0.5))
    page.wait_for_selector("#map .readout:has-text('K=3, R=50%')")
    wait_for(page, "explore-k", "3")
    assert page.evaluate("document.activeElement.ariaLabel").startswith("K=3, R=50%")
    assert "K=3, R=50%" in page.inner_text("#flops") and "K=3, R=55.2%" in page.inner_text("#equivalence")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.wait_for_timeout(1_500)  # until all of it has followed
    sent.clear()
    page.wait_for_timeout(700)
    assert sent == []
    page.get_by_role("tab", name="Compare").click()
    wait_for(page, "k", "3")
    wait_for(page, "r", "50")
    assert page.is_checked("#preset input[value='K=3, R=50%']")


def test_its_address_brings_it_back(page):
    choose(page, "#explore-model", "LLaVA-1.5 7B")
    page.click("#measure label:has-text('KV cache')")
    page.click(cell(20, 0.9))
    page.wait_for_function(
        "location.search.includes('x_k=20') && location.search.includes('x_map=') && location.search.includes('tab=')"
    )
    shown = page.inner_text("#map")
    assert "K=20, R=90%" in shown and "KV cache" in shown
    page.reload()
    page.wait_for_selector("#map .readout:has-text('K=20, R=90%')")
    wait_for(page, "explore-k", "20")
    assert page.inner_text("#map") == shown and page.input_value("#explore-model input") == "LLaVA-1.5 7B"
    page.get_by_role("tab", name="Compare").click()
    wait_for(page, "k", "2")


def test_what_is_chosen_on_the_comparison_is_met_here_and_a_k_that_it_lacks_stays_here(page):
    page.get_by_role("tab", name="Compare").click()
    page.check("#preset input[value='K=2, R=75%']")
    wait_for(page, "r", "75")
    page.get_by_role("tab", name="Explore").click()
    page.wait_for_selector("#map .readout:has-text('K=2, R=75%')")
    page.click(cell(20, 0.9))
    page.wait_for_selector("#map .readout:has-text('K=20, R=90%')")
    page.get_by_role("tab", name="Compare").click()
    wait_for(page, "k", "2")
    page.get_by_role("tab", name="Explore").click()
    page.wait_for_timeout(500)
    assert "K=20, R=90%" in page.inner_text("#map .readout")


def test_a_point_of_the_frontier_and_an_equivalent_are_loaded_and_nothing_is_wider_than_a_phone(page):
    page.locator("#frontier button[data-model='llava-1.5-7b'][data-k='5'][data-r='0.9']").dispatch_event("click")
    page.wait_for_selector("#map .readout:has-text('of LLaVA-1.5 7B without FastV')")
    assert page.input_value("#explore-model input") == "LLaVA-1.5 7B"
    wait_for(page, "explore-r", "90")
    choose(page, "#explore-model", "LLaVA-1.5 13B")
    page.click("#equivalence .card.total .use")
    page.wait_for_selector("#map .readout:has-text('K=5, R=58.5%')")
    page.set_viewport_size({"width": 390, "height": 844})
    page.click(cell(2, 0.75))
    page.wait_for_selector("#map .readout:has-text('K=2, R=75%')")
    page.locator("#equivalence summary:has-text('R for each K')").click()
    page.click("#exhibit-box button")  # filled when it is opened
    page.wait_for_function(f"document.querySelectorAll('#exhibit section').length === {len(exhibits())}")
    page.evaluate("document.querySelectorAll('#exhibit details').forEach(table => { table.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    panes = "[...document.querySelectorAll('.pane, .plane table, .scatter .plot')]"
    assert page.evaluate(f"{panes}.every(pane => pane.getBoundingClientRect().right <= 390)")


def test_what_has_no_effect_is_not_shown_and_a_miniature_comes_with_its_own_scores(page):
    page.click("#measure label:has-text('Quality')")
    page.wait_for_selector("#relative", state="hidden")
    page.click("#measure label:has-text('KV cache')")
    page.wait_for_selector("#relative", state="visible")
    choose(page, "#explore-model", "mini-13")
    page.wait_for_selector("#frontier:has-text('Drawn scenes')")
    page.wait_for_function("document.querySelector('#benchmark input').value === 'Drawn scenes'")
    choose(page, "#explore-model", "LLaVA-1.5 7B")
    page.wait_for_function("document.querySelector('#benchmark input').value === 'Average of the four'")


def test_a_config_of_ones_own_is_read_or_refused(page, tmp_path):
    choose(page, "#explore-model", "Your config")
    page.fill("#own-config textarea", "{")
    page.wait_for_selector("#explore-problem:has-text('not JSON')")
    (tmp_path / "config.json").write_text('{"model_type": "llama", "num_hidden_layers": 12}')
    (tmp_path / "large.json").write_text(" " * 70_000)
    field = "input[type=file][accept='.json']"
    upload(page, field, tmp_path / "large.json", "#explore-problem:has-text('larger than')")
    upload(page, field, tmp_path / "config.json", "#map .readout:has-text('of Your config without FastV')")
    assert page.get_attribute("#explore-k input[type=number]", "max") == "11"
    assert page.inner_text("#explore-problem").strip() == ""


def test_scripts_are_answered_at_once_and_in_sentences(app):
    values, seconds = list(inspect.signature(cost).parameters.values()), []
    with httpx.Client(base_url=f"{app.address}gradio_api/") as server:
        for _ in range(9):
            begun = time.perf_counter()
            answer = server.post("run/cost", json={"data": [value.default for value in values]})
            seconds.append(time.perf_counter() - begun)
    assert answer.json()["data"][0] == cost() and statistics.median(seconds) < 0.1
    client = Client(app.address, verbose=False)
    assert client.predict(text_tokens=8, api_name="/cost") == cost(text_tokens=8)
    assert [one["name"] for one in client.predict(api_name="/methods")["methods"]] == list(METHODS)
    told = client.predict(model="llava-1.5-13b", batch=16, may_lose=1.0, api_name="/advise")
    assert (told["kind"], told["loss"]["k"], told["loss"]["r"]) == ("use", 2, 0.75)
    rows = client.predict(ks=[2, 20], api_name="/budget")["rows"]
    assert round(rows[0]["continuous_r"], 3) == 0.537 and not rows[1]["reachable"]
    with pytest.raises(AppError, match="choose one of"):
        client.predict(model="nobody", api_name="/cost")
    assert app.strangers == []
