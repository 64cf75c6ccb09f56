"""The page in a real browser, as the browser tests look at it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

#: Of each browser, the profile of all pages that want no settings of their own.
_profiles = WeakKeyDictionary()


@contextmanager
def opened(browser, address: str, *, width: int = 1280, height: int = 900, within: str | None = None, **settings):
    """The page at an address, in a new tab. No script on it may fail or open a dialog, and, where ``within`` says so,
    nothing may be asked for elsewhere.

    Tabs without ``settings`` share a profile: with its cache, opening the page takes half the work. The page keeps what
    it keeps by tab alone. An empty tab stays open there, as the first tab of each window costs the drawing of
    Chromium's own buttons.
    """
    shared = not settings
    if shared and browser not in _profiles:
        _profiles[browser] = browser.new_context()
        _profiles[browser].new_page()
    faults, context = [], _profiles[browser] if shared else browser.new_context(**settings)
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    if within is not None:
        ours = (within, "data:", "blob:")
        page.on("request", lambda sent: None if sent.url.startswith(ours) else faults.append(sent.url))
    page.goto(address)
    page.wait_for_selector("#picture img", state="attached")  # it may be on the tab that a link leaves
    page.wait_for_function("window.fastvAddress?.isFollowed()")
    try:
        yield page
    finally:
        page.close() if shared else context.close()
    assert faults == []


def wait_for(page, name: str, value: str) -> None:
    """Until the field of a slider shows a value."""
    page.wait_for_function(
        "([name, value]) => document.querySelector(`#${name} input[type=number]`)?.value === value", arg=[name, value]
    )


def upload(page, field: str, file: Path | dict, accepted: str) -> None:
    """Gives a file, as Playwright takes it, to an upload field, until another one shows what came of it.

    Gradio may put a new input in the place of the one that got the file.
    """
    from playwright.sync_api import TimeoutError  # not installed where there is no browser

    there = page.locator(field)
    there.first.wait_for(state="attached")
    for _ in range(12):
        if there.count():
            there.first.set_input_files(file)
        try:
            page.wait_for_selector(accepted, timeout=10_000)
        except TimeoutError:
            continue
        return
    page.wait_for_selector(accepted)


def choose(page, dropdown: str, option: str) -> None:
    """An option of a dropdown, by its name."""
    page.click(f"{dropdown} input")
    page.get_by_role("option", name=option, exact=True).click()


def choose_model(page, dropdown: str, name: str) -> None:
    """A model of a dropdown, by its name alone: what follows it depends on the machine."""
    page.click(f"{dropdown} input")
    page.get_by_role("option", name=re.compile(rf"^{re.escape(name)}( ·|$)")).click()


def chosen_model(page, dropdown: str, name: str) -> None:
    """Until a dropdown shows a model."""
    page.wait_for_function(
        "([dropdown, name]) => document.querySelector(`${dropdown} input`)?.value.split(' · ')[0] === name",
        arg=[dropdown, name],
    )


def answer_briefly(page, tokens: int = 4) -> None:
    """Sets up the quickest comparison there is."""
    page.get_by_text("Advanced").click()
    for label, value in (("Longest answer", str(tokens)), ("Timed runs", "1")):
        field = page.get_by_label(f"number input for {label}")
        field.fill(value)
        field.press("Tab")


def run(page) -> None:
    """A comparison, to its end."""
    page.click("#run")
    page.wait_for_selector("#status:has-text('Done')")


def unfold(page, title: str = "All measurements") -> None:
    """Opens a folded part of the page, which is not there before."""
    page.get_by_role("button", name=title).click()
