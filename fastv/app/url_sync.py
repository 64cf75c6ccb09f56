"""The address follows what is chosen on the tabs, and the tabs follow the address the page is opened with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import gradio as gr

from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.shared.tab import BuiltTab, Tab, Updates, or_skip

TAB_FIELD = "tab"
_SCRIPT = Path(__file__).with_name("url_sync.js").read_text(encoding="utf-8")
_FOLLOWED = "() => window.fastvAddress?.followed()"
_REMEMBER_TAB = "() => window.fastvAddress?.select({field}, {tab}, {first})"
_REMEMBER = "query => window.fastvAddress?.remember({fields}, query)"
_FOLLOW = "() => {{ ({script})(); window.fastvAddress.follow({field}, {first}); }}"


def connect(page: gr.Blocks, built: Sequence[tuple[Tab, gr.Tab, BuiltTab]]) -> None:
    """Connects the Blocks that are open."""
    field, first = json.dumps(TAB_FIELD), json.dumps(built[0][0].id if built else "")
    page.load(None, None, None, js=_FOLLOW.format(script=_SCRIPT.strip(), field=field, first=first), **QUIET)
    for tab, container, made in built:
        script = _REMEMBER_TAB.format(field=field, tab=json.dumps(tab.id), first=first)
        container.select(None, None, None, js=script, **QUIET)
        if made.query is not None:
            script = _REMEMBER.format(fields=json.dumps(tab.link_fields))
            made.query.change(None, [made.query], None, js=script, **QUIET)

    def opened(visit: gr.Request) -> Updates:
        return or_skip(follow(built, visit.query_params))

    # The script selects the tab: Gradio copies whatever is within an output, at each event from then on.
    outputs = [component for _, _, made in built for component in made.outputs]
    page.load(opened, None, outputs, **INSTANT).then(None, None, None, js=_FOLLOWED, **QUIET)


def follow(built: Sequence[tuple[Tab, gr.Tab, BuiltTab]], query: Mapping[str, str]) -> Updates:
    """The updates of all tabs for an address."""
    updates: Updates = {}
    for _, _, made in built:
        updates |= made.follow(query)
    return updates
