"""The address of the page follows what is chosen, and the page follows the address it is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from fastv.errors import ModelLoadError
from fastv.models.loading import LoadedModel
from fastv.ui import budgets, results, taking
from fastv.ui.compare_events import layers_of, note, sentence, show_scene, slider_step
from fastv.ui.parts import INSTANT, ONE_AT_A_TIME, QUIET, Parts
from fastv.ui.share import Link, link_of
from fastv.ui.shelf import Shelf

_UNCHANGED = [gr.skip()] * 8  # of what ``model_updates`` returns
# A tab is selected while the page is being built too: the address it was opened with is read before that counts.
_FOLLOWED = "() => { window.linkFollowed = true; }"
_TAB = """() => {{
  if (!window.linkFollowed) return;
  const now = new URLSearchParams(location.search);
  now.set("tab", {tab!r});
  history.replaceState(history.state, "", "?" + now + location.hash);
}}"""


def connect(page: gr.Blocks, tabs: gr.Tabs, each: Mapping[str, gr.Tab], parts: Parts, shelf: Shelf) -> None:
    """Connects the Blocks that are open; each: the tabs by their names in a link."""
    chosen = [parts.in_use, parts.k, parts.r, parts.preset, parts.question, parts.scene, parts.rank]
    def said(most: Any, *values: Any) -> list:
        return taking.said(shelf, most, *values)

    gr.on(
        # The picture too: the change of a scene's number alone can get lost while another request is under way.
        [component.change for component in (*chosen, parts.max_new_tokens, parts.picture)],
        said,
        [parts.max_new_tokens, *chosen],
        [parts.taking.query, parts.taking.lines],
        trigger_mode="always_last",
        **INSTANT,
    ).then(None, [parts.taking.query], None, js=taking.REMEMBER, **QUIET)
    taking.connect_copy(parts.taking)
    for name, tab in each.items():
        tab.select(None, None, None, js=_TAB.format(tab=name), **QUIET)

    budget = [parts.model, parts.in_use, parts.note, parts.offered, parts.preset, parts.sentence, parts.k, parts.r]
    asked = [parts.picture, parts.question, parts.known, parts.scene, *parts.chips, parts.rank, tabs]
    later = gr.State(None)

    def follow(visit: gr.Request) -> list:
        return followed(shelf, link_of(visit.query_params), len(parts.chips))

    def load(link: Link | None) -> list:
        return loaded_later(shelf, link)

    opened = page.load(follow, None, [*asked, *budget, parts.status, later], **INSTANT)
    opened.then(None, None, None, js=_FOLLOWED, **QUIET)
    later.change(load, [later], [*budget, parts.status], **ONE_AT_A_TIME, **QUIET)


def followed(shelf: Shelf, link: Link, chips: int) -> list:
    """Picture, question, known answers, scene, the suggestions, rank, tabs, then what ``model_updates`` returns, the
    status, and the link if its model is still to be loaded; all that the link leaves open is skipped.

    A model that comes with the project is loaded for whoever follows a link; to fetch gigabytes, or drop what others
    use, somebody has to choose it.
    """
    asked = [gr.skip()] * (4 + chips) if link.scene is None else show_scene(link.scene, "", {})
    if link.question is not None:
        asked[1] = link.question
    asked += [link.rank or gr.skip(), gr.Tabs(selected=link.tab) if link.tab else gr.skip()]
    key = link.model if link.model in shelf.entries else shelf.default
    if shelf.is_loaded(key):
        new = (link.model, link.k, link.r, link.preset) != (None, None, None, None)
        return [*asked, *(model_updates(shelf.take(key), link) if new else _UNCHANGED), gr.skip(), None]
    entry = shelf.entry(key)
    if entry.embedded:
        return [*asked, *_UNCHANGED, results.status(f"Loading {entry.name}…", 0.0), link]
    words = results.status(f"The link is about {entry.name}, which is not loaded: choose it under Model to load it.")
    return [*asked, *model_updates(shelf.take(shelf.default), link), words, None]


def loaded_later(shelf: Shelf, link: Link | None) -> list:
    """What ``model_updates`` returns, and the status, once the model of a link is loaded; unchanged where it is not."""
    if link is None:
        return [*_UNCHANGED, gr.skip()]
    try:
        loaded = shelf.take(link.model)
    except ModelLoadError as error:
        return [*_UNCHANGED, results.problem(str(error))]
    return [*model_updates(loaded, link), results.status(f"{loaded.entry.name} is loaded.")]


def model_updates(loaded: LoadedModel, link: Link) -> list:
    """The model, its key, note and budgets, the preset and its sentence, K and R: what a link says of them that this
    model has, else the model's own default.
    """
    offered = budgets.choices(loaded)
    named = next((choice for choice in offered if choice.name == link.preset), offered[0])
    k = link.k if link.k is not None and link.k < layers_of(loaded) else named.k
    r_percent = named.r_percent if link.r is None else link.r
    same = link.preset is not None and (named.k, named.r_percent) == (k, r_percent)
    name = named.name if same else budgets.name_of(offered, k, r_percent)
    key = loaded.entry.key
    return [key, key, note(loaded), offered, gr.Radio(budgets.names(offered), value=name), sentence(offered, name),
            gr.Slider(value=k, maximum=layers_of(loaded) - 1), gr.Slider(value=r_percent, step=slider_step(r_percent))]
