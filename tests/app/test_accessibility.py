"""The page against axe-core's rules, each tab, in both themes."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from fastv.app.tabs import TABS
from tests.support.browser import opened

pytestmark = pytest.mark.browser

# Gradio labels the empty state of its image component, a plain <div>, which the rule forbids.
GRADIOS_OWN = {"aria-prohibited-attr": "Empty value"}


#: Of axe-core's rules, those that colours decide: dark is asked for these alone.
COLOURS = ("color-contrast", "link-in-text-block")

# What fades in has half its contrast until then.
FADED_IN = """Promise.all(document.getAnimations()
  .filter(one => one.effect.getComputedTiming().endTime < Infinity)
  .map(one => one.finished.catch(() => null)))"""


def violations(page, scheme: str) -> list[str]:
    options = {"resultTypes": ["violations"]}
    if scheme == "dark":
        options["runOnly"] = {"type": "rule", "values": COLOURS}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
        if GRADIOS_OWN.get(rule["id"], "nothing") not in node["html"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_tab_breaks_a_rule(browser, app, scheme):
    with opened(browser, f"{app.address}?__theme={scheme}", color_scheme=scheme) as page:
        for tab in TABS:
            page.get_by_role("tab", name=tab.title).click()
            page.wait_for_timeout(100)
            page.evaluate(FADED_IN)
            assert violations(page, scheme) == [], tab.title
        page.goto(f"{app.address}?__theme={scheme}&tab=explore&x_model=mini-7&x_map=quality")
        page.wait_for_selector("#map span.dot")
        page.evaluate(FADED_IN)
        assert violations(page, scheme) == [], "a method's quality"
