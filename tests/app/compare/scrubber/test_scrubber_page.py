"""The recorded result and the slider over R, in a browser, before any model is loaded."""

from __future__ import annotations

import pytest

from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.example_scenes import GALLERY_SEEDS
from fastv.evidence.example_answers import example_answers
from fastv.families.catalogue import DEFAULT, find
from fastv.pruning.config import PruningConfig
from tests.support.browser import answer_briefly, opened, run, wait_for

RECORD = example_answers(DEFAULT)
SEED = GALLERY_SEEDS[0]
# Shifts that follow a click within half a second are the visitor's own doing.
SHIFTS = """
window.shift = 0;
new PerformanceObserver(list => list.getEntries().forEach(entry => {
  if (!entry.hadRecentInput) window.shift += entry.value;
})).observe({type: "layout-shift", buffered: true});
"""
STEPS = """() => [...Array(20).keys()].map(step => {
  const range = document.getElementById("scrub-r"), start = performance.now();
  range.value = 5 * step;
  range.dispatchEvent(new Event("input", {bubbles: true}));
  document.body.getBoundingClientRect();
  return {
    milliseconds: performance.now() - start,
    said: [...document.querySelectorAll("#answers .fastv .text")].map(text => {
      const shown = text.cloneNode(true);
      shown.querySelectorAll(".hidden-words").forEach(word => word.remove());
      return shown.textContent;
    })[0],
    kept: Number(document.querySelector("#kept .left b").textContent.split(" ")[0]),
    mask: document.querySelector("#kept .mask path").getAttribute("d"),
    work: document.querySelector("[data-tile=work] .meter .fastv").offsetWidth,
  };
})"""


@pytest.fixture(scope="module")
def recorded_app():
    """The page of the default model, which nothing has loaded."""
    from tests.support.serving import serving_unloaded

    with serving_unloaded(ModelPool(find(DEFAULT))) as address:
        yield address


def patches(path: str) -> int:
    """How many patches a mask covers."""
    return sum(int(box.split("h")[1].split("v")[0]) for box in path.split("M")[1:])


@pytest.mark.parametrize("width, height, theme", [(390, 844, "light"), (1280, 800, "dark"), (1440, 900, "light")])
def test_the_first_screen_holds_a_result_and_a_slider(browser, recorded_app, width, height, theme):
    with opened(browser, f"{recorded_app}?__theme={theme}", width=width, height=height) as page:
        for part in ("#kept .frame", "#scrub-r", "#answers .baseline", "#answers .fastv", "#tiles", "#run"):
            box = page.locator(part).first.bounding_box()
            assert box["y"] >= 0 and box["x"] >= 0 and box["x"] + box["width"] <= width, part
            assert box["y"] + box["height"] <= height, part
        bar = page.locator(".actions").bounding_box()
        tiles = page.locator("#tiles").bounding_box()
        assert width > 800 or tiles["y"] + tiles["height"] <= bar["y"]  # the bar hides nothing of it
        assert RECORD.runs[SEED, "fastv", 2].answers[0] in page.inner_text("#answers .baseline .text")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_step_shows_what_was_recorded_at_once(browser, recorded_app):
    with opened(browser, recorded_app) as page:
        for method, k in (("fastv", 2), ("random", 4)):
            page.check(f"[name=scrub-method][value={method}]", force=True)
            page.check(f"[name=scrub-k][value='{k}']", force=True)
            run, steps = RECORD.runs[SEED, method, k], page.evaluate(STEPS)
            assert [step["said"] for step in steps] == list(run.answers)
            assert [step["kept"] for step in steps] == [sum(run.kept(number)) for number in range(20)]
            assert all(step["kept"] + patches(step["mask"]) == len(run.levels) for step in steps)
            assert all(one["work"] >= other["work"] for one, other in zip(steps, steps[1:]))
            times = sorted(step["milliseconds"] for step in steps)
            assert times[10] < 50


def test_the_slider_and_the_other_controls_follow_each_other(browser, recorded_app):
    with opened(browser, recorded_app) as page:
        page.focus("#scrub-r")
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        wait_for(page, "r", "75")
        page.wait_for_function("document.querySelector('#preset input[value=\"K=2, R=75%\"]').checked")
        page.wait_for_timeout(1_600)  # the slider was just moved: it does not follow at once
        page.get_by_label("K=3, R=50%").check()
        page.wait_for_function("document.querySelector('#scrub-r').value === '50'")
        assert page.is_checked("[name=scrub-k][value='3']")
        assert page.inner_text("#answers .fastv small") == "K=3, R=50%"


def test_another_example_brings_its_own_answers_and_a_new_scene_fades_them(browser, recorded_app):
    with opened(browser, recorded_app) as page:
        page.locator("#examples button.thumbnail-item").nth(3).click()
        said = RECORD.runs[GALLERY_SEEDS[3], "fastv", 2].answers[0]
        page.wait_for_selector(f"#answers .baseline .text:has-text('{said}')")
        assert page.locator(".compare.outdated").count() == 0
        page.click("#new-scene")
        page.wait_for_selector(".compare.outdated")
        assert page.locator("#kept .mask path[d='']").count() == 1


@pytest.mark.parametrize("width, height", [(390, 844), (1280, 800)])
def test_little_moves_while_the_page_opens_and_while_results_come(browser, app, width, height):
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.add_init_script(SHIFTS)
    page.goto(app.address)
    page.wait_for_selector("#picture img", state="attached")
    page.wait_for_timeout(500)
    assert page.evaluate("window.shift") < 0.1
    answer_briefly(page)
    page.wait_for_timeout(500)
    page.evaluate("window.shift = 0")
    run(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.shift") < 0.1
    context.close()


def test_a_link_to_a_setting_that_was_not_recorded_shows_that_setting(browser, recorded_app):
    setting = PruningConfig("divprune", 0, 0.394)
    with opened(browser, f"{recorded_app}?method=divprune&k=0&r=39.4") as page:
        page.wait_for_function("document.querySelector('#answers .fastv .name').textContent.includes('DivPrune')")
        kept = setting.build().kept_of(len(RECORD.runs[SEED, "fastv", 2].levels))
        page.wait_for_function(f"document.querySelector('#kept .left b').textContent.startsWith('{kept} of')")
        assert "39.4" in page.inner_text("#answers .fastv small")  # not as the slider rounds it
        assert "r=39.4" in page.url
        page.locator("#examples button.thumbnail-item").nth(3).click()
        said = RECORD.runs[GALLERY_SEEDS[3], "fastv", 2].answers[0]
        page.wait_for_selector(f"#answers .baseline .text:has-text('{said}')")
        page.wait_for_selector(".compare:not(.outdated)")
        assert "DivPrune" in page.inner_text("#answers .fastv .name")


def test_a_quick_pass_is_about_the_image_that_is_shown(browser, recorded_app):
    with opened(browser, recorded_app) as page:
        page.click("#new-scene")
        page.wait_for_selector(".compare.outdated")
        page.focus("#scrub-r")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".compare:not(.outdated)")
        assert page.locator("#kept .left b").count() == 1  # some of so many tokens
