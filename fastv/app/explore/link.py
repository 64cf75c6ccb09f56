"""The explorer's settings in the address of the page: what differs from the defaults, as query parameters ``x_...``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from fastv.app.explore.layout import Explorer, k_slider, map_controls, r_slider
from fastv.app.explore.state import Choices, shape_of
from fastv.app.shared.deep_link import link_of
from fastv.app.shared.model_names import OWN
from fastv.app.shared.tab import Updates
from fastv.evidence.pareto import axis_for, benchmark_for

_PREFIX, _MOST_LAYERS = "x_", 999
# The controls that a link holds, by their names in it; a pasted config is too long for an address.
_CONTROLS = {
    "model": "model",
    "k": "k",
    "r": "r",
    "dtype": "dtype",
    "text": "text_tokens",
    "answer": "answer_tokens",
    "pictures": "pictures",
    "batch": "batch",
    "map": "measure",
    "of": "relative",
    "device": "device",
    "lose": "may_lose",
    "cost": "axis",
    "score": "benchmark",
    "mini": "methods_model",
    "at": "methods_r",
    "equal": "methods_equal",
    "questions": "methods_questions",
    "method": "quality_method",
}
_TENTHS = ("r", "lose")  # values with one digit after the point
LINK_FIELDS = tuple(_PREFIX + name for name in _CONTROLS)


def linked(explorer: Explorer) -> dict[str, Any]:
    """The controls that a link holds, by their names in it."""
    return {name: getattr(explorer, control) for name, control in _CONTROLS.items()}


def query_of(explorer: Explorer, values: list[Any]) -> str:
    """The query for values of the ``linked`` controls; a value that is missing while it is being typed is left out."""
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
    """The controls' values in a link, by name; unusable ones are ignored."""
    found: dict[str, Any] = {}
    for name, control in linked(explorer).items():
        text = query.get(_PREFIX + name)
        value: str | float | int | None
        if isinstance(control, gr.Radio | gr.Dropdown):
            value = text if text in [key for _, key in control.choices] and text != OWN else None
        else:
            value = _number(text, control.minimum, _MOST_LAYERS if name == "k" else control.maximum, name in _TENTHS)
        if value is not None:
            found[name] = value
    return found


def _number(text: str | None, least: float, most: float, tenths: bool) -> float | int | None:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9])?" if tenths else r"[0-9]{1,6}", text):
        return None
    value = float(text) if tenths else int(text)
    return value if least <= value <= most else None


def followed(explorer: Explorer, query: Mapping[str, str], panes: Callable[[Choices], Mapping[str, Any]]) -> Updates:
    """Updates of ``outputs`` for a link; none where it has no settings of the explorer.

    Parameters
    ----------
    explorer : Explorer
        The components.
    query : mapping of str to str
        The parameters of the address.
    panes : callable
        Draws the panes from ``Choices``, see ``events.panes``.
    """
    said, controls = values_of(explorer, query), linked(explorer)
    if not said:
        return {}
    values = {name: said.get(name, control.value) for name, control in controls.items()}
    layers = shape_of(values["model"], None).decoder.layers
    values["k"] = min(values["k"], layers - 1)
    if "score" in said:
        values["cost"] = axis_for(values["score"], values["cost"])
    else:
        values["score"] = benchmark_for(values["cost"], values["score"])
    relative, method = map_controls(values["map"], relative=values["of"], quality_method=values["method"])
    changes = {"k": k_slider(values["k"], layers), "r": r_slider(values["r"]), "of": relative, "method": method}
    updates: Updates = {controls[name]: changes.get(name, value) for name, value in values.items()}
    compare = link_of(query)
    if compare.k is not None and compare.r is not None:
        updates[explorer.met] = (compare.k, compare.r)
    shown = panes(Choices(own_text="", **{_CONTROLS[name]: value for name, value in values.items()}))
    return updates | {component: shown[name] for name, component in explorer.panes.items()}


def outputs(explorer: Explorer) -> list:
    """The components that ``followed`` may update."""
    return [explorer.met, *linked(explorer).values(), *explorer.panes.values()]
