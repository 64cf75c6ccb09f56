"""What is chosen on the explorer, in the address of the page, and back: what differs from how the tab begins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from fastv.app.explore.layout import Explorer, k_slider, r_slider
from fastv.app.explore.state import OWN, shape_of
from fastv.app.shared.deep_link import link_of

_PREFIX, _MOST_LAYERS = "x_", 999
# Until the address the page was opened with has been followed, it stays as it is.
REMEMBER = f"""query => {{
  if (!window.linkFollowed) return;
  const now = new URLSearchParams(location.search);
  for (const key of [...now.keys()]) if (key.startsWith({_PREFIX!r})) now.delete(key);
  new URLSearchParams(query).forEach((value, key) => now.set(key, value));
  history.replaceState(history.state, "", "?" + now + location.hash);
}}"""


def linked(explorer: Explorer) -> dict[str, gr.Radio | gr.Slider]:
    """The controls that a link tells of, by their names in it; a config of one's own is too long for an address."""
    names = ("model", "k", "r", "dtype", "text", "answer", "pictures", "batch", "map", "of", "device", "cost", "score")
    return dict(zip(names, [one for one in explorer.controls if one is not explorer.own_text], strict=True))


def query_of(explorer: Explorer, values: list[Any]) -> str:
    """The fields for the values of the ``linked`` controls; a value that is missing while somebody types is not said."""
    controls = linked(explorer)
    said = {
        name: value
        for (name, control), value in zip(controls.items(), values, strict=True)
        if value is not None and value != control.value
    }
    if said.get("model") == OWN:
        return ""
    return urlencode(
        {_PREFIX + name: f"{value:g}" if isinstance(value, float) else value for name, value in said.items()}
    )


def values_of(explorer: Explorer, query: Mapping[str, str]) -> dict[str, Any]:
    """What a link says of the controls, by name; nonsense counts as not said."""
    found = {}
    for name, control in linked(explorer).items():
        text = query.get(_PREFIX + name)
        if isinstance(control, gr.Radio):
            value = text if text in [key for _, key in control.choices] and text != OWN else None
        else:
            value = _number(text, control.minimum, _MOST_LAYERS if name == "k" else control.maximum, name == "r")
        if value is not None:
            found[name] = value
    return found


def _number(text: str | None, least: float, most: float, tenths: bool) -> float | int | None:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9])?" if tenths else r"[0-9]{1,6}", text):
        return None
    value = float(text) if tenths else int(text)
    return value if least <= value <= most else None


def followed(explorer: Explorer, query: Mapping[str, str], panes: Any) -> list:
    """Updates of ``outputs`` for a link; all are skipped where it says nothing of the explorer.

    panes: the function that draws them from the controls' values.
    """
    said, controls = values_of(explorer, query), linked(explorer)
    if not said:
        return [gr.skip()] * len(outputs(explorer))
    values = {name: said.get(name, control.value) for name, control in controls.items()}
    layers = shape_of(values["model"], None).decoder.layers
    values["k"] = min(values["k"], layers - 1)
    changes = {"k": k_slider(values["k"], layers), "r": r_slider(values["r"])}
    compare = link_of(query)
    met = (compare.k, compare.r) if compare.k is not None and compare.r is not None else gr.skip()
    asked = [values["model"], "", *list(values.values())[1:]]
    return [met, *(changes.get(name, value) for name, value in values.items()), *panes(*asked)]


def outputs(explorer: Explorer) -> list:
    """What ``followed`` is for."""
    return [explorer.met, *linked(explorer).values(), *explorer.panes]
