"""Results of another picture look like it, and every way to choose K and R is kept in the address; in a browser."""

from __future__ import annotations

from tests.support.browser import answer_briefly, opened, run, wait_for


def opacity(page) -> float:
    return float(page.evaluate("getComputedStyle(document.querySelector('#answers')).opacity"))


def test_answers_about_the_previous_picture_fade_until_the_next_run(browser, app):
    with opened(browser, app.address) as page:
        page.click("#new-scene")
        page.wait_for_timeout(500)
        assert page.locator(".compare.outdated").count() == 0  # there are no answers yet
        answer_briefly(page)
        run(page)
        assert opacity(page) == 1
        page.click("#new-scene")
        page.wait_for_selector(".compare.outdated")
        assert opacity(page) < 1
        sign = page.evaluate("getComputedStyle(document.querySelector('.show'), '::before').content")
        assert sign not in ("none", "")
        page.click("#run")
        page.wait_for_selector(".compare:not(.outdated)")
        page.wait_for_function("getComputedStyle(document.querySelector('#answers')).opacity === '1'")  # it fades in


def test_what_explore_chooses_is_kept_in_the_address_and_a_layer_that_compare_lacks_is_said_there(browser, app):
    with opened(browser, f"{app.address}?tab=explore") as page:
        dot = page.locator("#frontier button.dot[data-model='llava-1.5-13b'][data-k='2'][data-r='0.75']").first
        dot.dispatch_event("click")
        page.wait_for_selector("#map .readout:has-text('K=2, R=75%')")
        page.wait_for_url("**x_r=75**")
        other = page.locator("#frontier button.dot[data-model='llava-1.5-7b'][data-k='']").first
        other.dispatch_event("click")
        page.wait_for_url("**x_model=llava-1.5-7b**")
        page.wait_for_url("**x_r=0**")
        wait_for(page, "explore-r", "0")
        page.locator("#explore-k input[type=number]").fill("12")
        page.locator("#explore-k input[type=number]").press("Tab")
        page.wait_for_selector("#map .readout:has-text('K=12')")
        page.get_by_role("tab", name="Compare").click()
        page.wait_for_selector("#status:has-text('K=12')")
        wait_for(page, "k", "2")
        page.get_by_role("tab", name="Explore").click()
        page.wait_for_selector("#map .readout:has-text('K=12')")
