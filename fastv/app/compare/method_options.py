"""The options of a method that a model can serve, as boxes to tick; a link and a config carry those that are ticked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gradio as gr

from fastv.app.hosting.event_options import INSTANT
from fastv.families.base import Family
from fastv.pruning.unserved import unserved_options

#: What ticking a box sets.
_TICKED: dict[str, Any] = {"per": "image", "positions": "close", "proportional": True}
#: A box's label, and what ticking it does.
_WORDS = {
    "per": ("Same share of each tile", "R holds for each of the image's tiles."),
    "positions": ("Positions without gaps", "what is left is numbered anew."),
    "proportional": (
        "Proportional attention",
        "kept tokens stand for the dropped ones, with log(all / kept) added to their logits.",
    ),
}


def boxes(elem_id: str, family: Family, label: str, show_label: bool = True) -> gr.CheckboxGroup:
    """None of them ticked."""
    return gr.CheckboxGroup(**_shown(family, ()), label=label, show_label=show_label, elem_id=elem_id)


def folded_boxes(elem_id: str, family: Family) -> gr.CheckboxGroup:
    """The same behind a title, which names those that are ticked."""
    with gr.Accordion(_title(()), open=False, elem_id="options") as folded:
        made = boxes(elem_id, family, "Options", show_label=False)
    made.change(lambda ticked: gr.Accordion(label=_title(ticked)), made, folded, **INSTANT)
    return made


def _title(ticked: Iterable[str]) -> str:
    return ": ".join(["Options", *filter(None, [", ".join(_WORDS[name][0].lower() for name in ticked)])])


def for_model(family: Family, ticked: Iterable[str]) -> Any:
    """The boxes for another model; those stay ticked that it can serve."""
    return gr.CheckboxGroup(**_shown(family, ticked))


def options_of(ticked: Iterable[str] | None) -> dict[str, Any]:
    """What ticked boxes set, as ``PruningConfig.with_options`` takes it."""
    return {name: _TICKED[name] for name in ticked or ()}


def _shown(family: Family, ticked: Iterable[str]) -> dict[str, Any]:
    # The page asks about one image or video, of which "image" is a part only where it is read as several tiles.
    useless = unserved_options(family).keys() | (set() if family.splits_pictures else {"per"})
    offered = [name for name in _WORDS if name not in useless]
    return {
        "choices": [(_WORDS[name][0], name) for name in offered],
        "value": [name for name in ticked if name in offered],
        "info": " ".join(": ".join(_WORDS[name]) for name in offered),
    }
