"""The Attention tab in a real browser: a recorded example on arrival, and what moves in it."""

from __future__ import annotations

from base64 import b64decode, b64encode

import numpy as np
import pytest

from fastv.app.attention.recorded import recorded
from fastv.costs.flops import kept_tokens
from tests.support.browser import choose_model, opened, wait_for


@pytest.fixture
def page(browser, app):
    with opened(browser, f"{app.address}?tab=attention", within=app.address) as page:
        page.wait_for_selector("#xray .layer-frame canvas")
        yield page


@pytest.fixture(scope="module")
def arrived(browser, app):
    """One page for the tests that look at the recorded example and leave it as it was."""
    with opened(browser, f"{app.address}?tab=attention", within=app.address) as page:
        page.wait_for_selector("#xray .layer-frame canvas")
        yield page


def things_left(page) -> dict[str, int]:
    labels = page.eval_on_selector_all(".thing-left", "all => all.map(one => one.ariaLabel)")
    return {label.split(":")[0]: int(label.split(": ")[1].split(" ")[0]) for label in labels}


def test_a_recorded_example_is_there_on_arrival(arrived):
    page = arrived
    payload = recorded()["payload"]
    assert page.locator(".layer-frame").count() == page.locator(".layer-bar").count() == len(payload["layers"])
    assert page.locator(".token").count() == len(payload["words"])
    assert page.locator(".token[aria-pressed=true]").get_attribute("data-index") == str(payload["last"])
    heights = page.eval_on_selector_all(
        ".layer-bar",
        "bars => bars.map(bar => [...bar.children].slice(0, 4).map(part => parseFloat(part.style.height)))",
    )
    for bar, shares in zip(heights, payload["shares"][payload["last"]], strict=True):
        assert bar == pytest.approx([100 * share for share in shares], abs=0.01)
    assert page.locator(".layer-bar span").first.evaluate("span => span.parentElement.clientHeight") > 80


def test_what_a_cut_takes_is_what_fastv_drops(arrived):
    page = arrived
    payload = recorded()["payload"]
    rows = np.frombuffer(b64decode(payload["ranking"]), "<f4").reshape(-1, payload["visual"])
    for k, r in ((2, 50), (3, 90), (1, 33)):
        page.evaluate(f"window.fastvShowCut('{k},{r}')")
        assert things_left(page) == things_kept(rows[k - 1], r)
    page.evaluate("window.fastvShowCut('0,50')")
    assert things_left(page) == things_kept(rows[0], 0)


def test_where_few_layers_attend_the_last_before_the_cut_ranks(page):
    """As if the recorded layers were numbers 3, 7, 11 and so on, and the others kept a state."""
    page.add_init_script(
        "const parse = JSON.parse; JSON.parse = text => { const made = parse(text);"
        "if (made?.ranking) made.layers = made.layers.map(layer => 4 * layer + 3); return made; };"
    )
    page.reload()
    page.wait_for_selector("#xray .layer-frame canvas")
    payload = recorded()["payload"]
    rows = np.frombuffer(b64decode(payload["ranking"]), "<f4").reshape(-1, payload["visual"])
    for k, row in ((4, 0), (6, 0), (8, 1), (11, 1), (12, 2)):
        page.evaluate(f"window.fastvShowCut('{k},50')")
        assert things_left(page) == things_kept(rows[row], 50)
        assert f"least in layer {4 * row + 3}." in page.inner_text(".cut-takes")
    page.evaluate("window.fastvShowCut('3,50')")
    assert things_left(page) == things_kept(rows[0], 0) and "layer 3" in page.inner_text(".cut-takes")


_BRIGHT = """() => {
  const canvas = document.querySelector(".layer-frame canvas"), {width, height} = canvas;
  const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  const columns = 23, rows = 24, found = [];
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
    const x = Math.floor((column + 0.5) * width / columns), y = Math.floor((row + 0.5) * height / rows);
    const [red, , blue] = data.slice(4 * (y * width + x));
    if (red - blue > 40) found.push([row, column]);
  }
  return found;
}"""


def test_tokens_behind_rows_are_not_drawn_on_the_picture(page):
    """As if the recorded model had 23 columns and a token that ends each row."""
    payload = recorded()["payload"]
    levels = np.zeros((len(payload["words"]), len(payload["layers"]), 24, 24), np.uint8)
    levels[..., 23] = 255
    levels[..., 5, 7] = levels[..., 20, 0] = 150
    page.add_init_script(
        f"const parse = JSON.parse, maps = '{b64encode(levels.tobytes()).decode()}';"
        "JSON.parse = text => { const made = parse(text); if (made?.ranking) { made.maps = maps;"
        "Object.assign(made.frames[0], {columns: 23, row_end: 1}); } return made; };"
    )
    page.reload()
    page.wait_for_selector("#xray .layer-frame canvas")
    page.evaluate("window.fastvShowCut('0,50')")  # nothing is marked as dropped
    assert page.evaluate(_BRIGHT) == [[5, 7], [20, 0]]


def things_kept(row, r: float) -> dict[str, int]:
    payload = recorded()["payload"]
    order = sorted(range(payload["visual"]), key=lambda token: (-row[token], token))
    kept = set(order[: kept_tokens(payload["visual"], r / 100)])
    return {thing["name"]: len(kept & set(thing["tokens"])) for thing in payload["things"]}


def test_the_cut_is_dragged_and_shared_with_other_tabs_and_the_address(page):
    line = page.locator(".cut-line").bounding_box()
    bars = page.locator(".layer-bars").bounding_box()
    page.mouse.move(line["x"] + line["width"] / 2, line["y"] + 30)
    page.mouse.down()
    page.mouse.move(bars["x"] + bars["width"] * 0.3, line["y"] + 40, steps=4)
    page.mouse.up()
    assert page.get_attribute(".cut-line", "aria-valuenow") == "3"
    page.locator(".cut-line").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.locator(".xray .r").fill("75")
    page.locator(".token").nth(6).click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.search.includes('a_word=7') && location.search.includes('k=1')")
    page.get_by_role("tab", name="Compare").click()
    wait_for(page, "k", "1")
    wait_for(page, "r", "75")
    page.get_by_label("K: drop at layer").first.fill("3")
    page.get_by_role("tab", name="Attention").click()
    page.wait_for_selector(".cut-line[aria-valuenow='3']")
    page.locator(".cut-line").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("location.search.includes('k=2')")
    page.reload()
    page.wait_for_selector(".token[aria-pressed=true][data-index='7']")
    page.wait_for_selector(".cut-line[aria-valuenow='2']")


def test_own_words_are_read_on_the_apps_own_model(page):
    choose_model(page, "#attention-model", "mini-7")
    page.fill("#attention-question textarea", "how many red in the picture ?")
    page.click("#attention-run")
    page.wait_for_function("document.querySelector('.xray .told').textContent.includes('how many red')")
    page.wait_for_selector("#attention-run:not([disabled])")
    page.wait_for_selector(".layer-frame canvas")
    page.locator(".heads summary").click()
    page.wait_for_selector(".head-frame canvas")


def test_nothing_is_wider_than_the_page(page):
    panes = "[...document.querySelectorAll('.xray, .look canvas, .layer-bars, .mean-chart, .mean-maps, .need')]"
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        page.reload()
        page.wait_for_selector("#xray .layer-frame canvas")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(f"{panes}.every(pane => pane.getBoundingClientRect().right <= {width})")
