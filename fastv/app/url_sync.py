"""The address follows what is chosen on the tabs, and the tabs follow the address the page is opened with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import gradio as gr

from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.shared.tab import BuiltTab, Tab, Updates, or_skip

TAB_FIELD = "tab"
# Tabs are selected, and controls change, while the page is being built too: the address that it was opened with is
# read before any of that is written to it.
_FOLLOWED = "() => { window.linkFollowed = true; }"
_REMEMBER_TAB = """() => {{
  if (!window.linkFollowed) return;
  const now = new URLSearchParams(location.search);
  now.set({field}, {tab});
  history.replaceState(history.state, "", "?" + now + location.hash);
}}"""
# Other parameters of the address, such as Gradio's own, stay.
_REMEMBER = """query => {{
  if (!window.linkFollowed) return;
  const now = new URLSearchParams(location.search);
  for (const key of {fields}) now.delete(key);
  new URLSearchParams(query).forEach((value, key) => now.set(key, value));
  history.replaceState(history.state, "", "?" + now + location.hash);
}}"""


def connect(page: gr.Blocks, tabs: gr.Tabs, built: Sequence[tuple[Tab, gr.Tab, BuiltTab]]) -> None:
    """Connects the Blocks that are open."""
    for tab, container, made in built:
        script = _REMEMBER_TAB.format(field=json.dumps(TAB_FIELD), tab=json.dumps(tab.id))
        container.select(None, None, None, js=script, **QUIET)
        if made.query is not None:
            script = _REMEMBER.format(fields=json.dumps(tab.link_fields))
            made.query.change(None, [made.query], None, js=script, **QUIET)

    def opened(visit: gr.Request) -> Updates:
        return or_skip(follow(tabs, built, visit.query_params))

    outputs = [tabs, *(component for _, _, made in built for component in made.outputs)]
    page.load(opened, None, outputs, **INSTANT).then(None, None, None, js=_FOLLOWED, **QUIET)


def follow(tabs: gr.Tabs, built: Sequence[tuple[Tab, gr.Tab, BuiltTab]], query: Mapping[str, str]) -> Updates:
    """The updates of all tabs for an address, and the tab that it selects."""
    updates: Updates = {}
    if query.get(TAB_FIELD) in [tab.id for tab, _, _ in built]:
        updates[tabs] = gr.Tabs(selected=query[TAB_FIELD])
    for _, _, made in built:
        updates |= made.follow(query)
    return updates
