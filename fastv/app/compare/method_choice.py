"""The choice of a method for one side, and the opponents that a click sets up on the other."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any

import gradio as gr

from fastv.app.service.model_outline import ModelOutline
from fastv.app.shared.preset_choices import layers_of
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.signals import ATTENTION, UNROTATED
from fastv.pruning.unserved import unserved

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel

DEFAULT = "fastv"
SAME_METHOD = ""  # the other side's: the same method as this side's
#: Opponents that are always worth a look, by their names in METHODS.
OPPONENTS = {"random": "Against random", "lower_resolution": "Against a smaller image"}


def options(unserved: Container[str] = ()) -> list[tuple[str, str]]:
    """(what people read, name): the label of each method, and where it cuts; at the end those that a model cannot do.

    Parameters
    ----------
    unserved
        Names of the latter.
    """
    served = [(f"{method.label} ({_where(name)})", name) for name, method in METHODS.items() if name not in unserved]
    return served + [
        (f"{method.label} (not for this model)", name) for name, method in METHODS.items() if name in unserved
    ]


def _where(name: str) -> str:
    method = METHODS[name]
    return "at layer K" if method.takes_k else method.cuts.removeprefix("on entering ")


def dropdown(value: str, elem_id: str, label: str, model: ModelOutline, same: bool = False) -> gr.Dropdown:
    """All methods, searched by typing; with ``same`` also the other side's."""
    return gr.Dropdown(**_shown(model, value, same), label=label, elem_id=elem_id, filterable=True)


def for_model(model: ModelOutline | LoadedModel, value: str, same: bool = False) -> Any:
    """The choice for another model."""
    return gr.Dropdown(**_shown(model, value, same))


def _shown(model: ModelOutline | LoadedModel, value: str, same: bool) -> dict[str, Any]:
    first = [("The same method", SAME_METHOD)] if same else []
    choices = [*first, *options(unserved(model.family, layers_of(model)))]
    return {"choices": choices, "value": value, "info": refusal(model, value)}


def refusal(model: ModelOutline | LoadedModel, method: str) -> str | None:
    """Why a model cannot be pruned by a method, as far as that is known before a run; None where it can."""
    reason = unserved(model.family, layers_of(model)).get(method)
    return f"{METHODS[method].label} cannot prune {model.entry.name}: {reason}." if reason else None


def k_slider(method: str, ranked_from: int, usual: str | None = None, **more: Any) -> Any:
    """The slider of K, off where a method does not take one.

    ranked_from: see ``ModelOutline``. usual: see ``k_info``. more: what else of it changes.
    """
    return gr.Slider(interactive=METHODS[method].takes_k, info=k_info(method, ranked_from, usual), **more)


def k_info(method: str, ranked_from: int, usual: str | None = None) -> str | None:
    """What is said under the slider of K: where the method cuts, from which K on it can rank, or else ``usual``."""
    chosen = METHODS[method]
    if not chosen.takes_k:
        return f"{chosen.label} cuts {chosen.cuts}."
    if ranked_from > 1 and {ATTENTION, UNROTATED}.intersection(chosen.signals):
        return f"0, or {ranked_from} and more, where attention ranks."
    return usual


def opponents() -> dict[str, gr.Button]:
    """A button for each opponent."""
    return {
        name: gr.Button(words, size="sm", min_width=0, elem_id=f"against-{name.replace('_', '-')}")
        for name, words in OPPONENTS.items()
        if name in METHODS
    }
