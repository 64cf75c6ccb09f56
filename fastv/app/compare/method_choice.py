"""The choice of a method for one side, and the opponents that a click sets up on the other."""

from __future__ import annotations

from typing import Any

import gradio as gr

from fastv.pruning.methods.registry import METHODS
from fastv.pruning.signals import ATTENTION, UNROTATED

DEFAULT = "fastv"
SAME_METHOD = ""  # the other side's: the same method as this side's
#: Opponents that are always worth a look, by their names in METHODS.
OPPONENTS = {"random": "Against random", "lower_resolution": "Against a smaller image"}


def options() -> list[tuple[str, str]]:
    """(what people read, name): the label of each method, and where it cuts."""
    return [(f"{method.label} ({_where(name)})", name) for name, method in METHODS.items()]


def _where(name: str) -> str:
    method = METHODS[name]
    return "at layer K" if method.takes_k else method.cuts.removeprefix("on entering ")


def dropdown(value: str, elem_id: str, label: str, same: bool = False) -> gr.Dropdown:
    """All methods, searched by typing; with ``same`` also the other side's."""
    first = [("The same method", SAME_METHOD)] if same else []
    return gr.Dropdown([*first, *options()], value=value, label=label, elem_id=elem_id, filterable=True)


def k_slider(method: str, ranked_from: int, **more: Any) -> Any:
    """The slider of K, off where a method does not take one; more: what else of it changes.

    ranked_from: see ``ModelOutline``.
    """
    return gr.Slider(interactive=METHODS[method].takes_k, info=k_info(method, ranked_from), **more)


def k_info(method: str, ranked_from: int) -> str | None:
    """What is said under the slider of K: where the method cuts, or from which K on it can rank."""
    chosen = METHODS[method]
    if not chosen.takes_k:
        return f"{chosen.label} cuts {chosen.cuts}."
    if ranked_from > 1 and {ATTENTION, UNROTATED}.intersection(chosen.signals):
        return f"0, or {ranked_from} and more, where attention ranks."
    return None


def opponents() -> dict[str, gr.Button]:
    """A button for each opponent."""
    return {
        name: gr.Button(words, size="sm", min_width=0, elem_id=f"against-{name.replace('_', '-')}")
        for name, words in OPPONENTS.items()
        if name in METHODS
    }
