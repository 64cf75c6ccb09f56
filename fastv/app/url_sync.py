"""The address of the page follows what is chosen, and the page follows the address it is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from fastv.app.compare import baseline_panel, export
from fastv.app.compare.baseline_panel import SAME
from fastv.app.compare.components import CompareControls
from fastv.app.compare.events import chips_of, moved, note, sentence, show_scene
from fastv.app.compare.video_events import connect_link
from fastv.app.explore import link as explorer_link
from fastv.app.explore.events import panes
from fastv.app.explore.layout import Explorer
from fastv.app.hosting.event_options import INSTANT, ONE_AT_A_TIME, QUIET, TYPED
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared import budget_choices, example_scenes, status
from fastv.app.shared.budget_choices import layers_of, slider_step
from fastv.app.shared.deep_link import Link, link_of
from fastv.errors import ModelLoadError
from fastv.families.catalogue import ModelEntry

_OWN = "The link is about a picture or video of somebody's own, which it cannot bring along: choose it again, please."
_UNCHANGED = [gr.skip()] * 13  # of what ``updates`` returns
# A tab is selected while the page is being built too: the address it was opened with is read before that counts.
_FOLLOWED = "() => { window.linkFollowed = true; }"
_TAB = """() => {{
  if (!window.linkFollowed) return;
  const now = new URLSearchParams(location.search);
  now.set("tab", {tab!r});
  history.replaceState(history.state, "", "?" + now + location.hash);
}}"""


def connect(
    page: gr.Blocks,
    tabs: gr.Tabs,
    each: Mapping[str, gr.Tab],
    parts: CompareControls,
    explorer: Explorer,
    pool: ModelPool,
) -> None:
    """Connects the Blocks that are open; each: the tabs by their names in a link."""
    chosen = [
        parts.max_new_tokens,
        parts.preset,
        parts.question,
        parts.scene,
        parts.clips.which,
        parts.method,
        *parts.chosen,
    ]

    def said(*values: Any) -> list:
        return export.said(pool, *values)

    gr.on(
        # The picture too: the change of a scene's number alone can get lost while another request is under way.
        [component.change for component in (*chosen, parts.picture, parts.clips.frames)],
        said,
        chosen,
        [parts.taking.query, parts.taking.lines],
        **TYPED,
    ).then(None, [parts.taking.query], None, js=export.REMEMBER, **QUIET)
    export.connect_copy(parts.taking.copy)
    for name, tab in each.items():
        tab.select(None, None, None, js=_TAB.format(tab=name), **QUIET)

    asked = [parts.picture, parts.question, parts.known, parts.scene, *parts.chips, parts.method, tabs]

    def follow(visit: gr.Request) -> list:
        found = followed(pool, link_of(visit.query_params), len(parts.chips))
        return [*found, *explorer_link.followed(explorer, visit.query_params, panes)]

    def load(query: str, offered: list[budget_choices.Choice], *sides: Any) -> list:
        return loaded_later(pool, query, moved(*sides, offered))

    shown = [*asked, *parts.setup, parts.status, parts.later, *explorer_link.outputs(explorer)]
    opened = page.load(follow, None, shown, **INSTANT)
    connect_link(parts, pool, opened)
    opened.then(None, None, None, js=_FOLLOWED, **QUIET)
    parts.later.change(
        load,
        [parts.later, parts.offered, *parts.chosen],
        [*parts.setup, parts.status, parts.later],
        **ONE_AT_A_TIME,
        **QUIET,
    )


def followed(pool: ModelPool, link: Link, chips: int) -> list:
    """Picture, question, known answers, scene, the suggestions, method, tabs, then what ``updates`` returns, the
    status, and the link's query if a model of it is still to be loaded; all that the link leaves open is skipped.

    A model that comes with the project is loaded for whoever follows a link; to fetch gigabytes, or drop what others
    use, somebody has to choose it.
    """
    asked, words = [gr.skip()] * (4 + chips), gr.skip()
    if link.scene is not None:
        asked = show_scene(link.scene, "", {})
    elif link.picture is not None:
        asked, words = [None, gr.skip(), {}, None, *chips_of(example_scenes.GENERAL)], status.status(_OWN)
    if link.question is not None:
        asked[1] = link.question
    asked += [link.method or gr.skip(), gr.Tabs(selected=link.tab) if link.tab else gr.skip()]
    said = (link.model, link.k, link.r, link.preset, link.baseline, link.baseline_r) != (None,) * 6
    model, other = (key if key in pool.entries else None for key in (link.model, link.baseline))
    link = replace(link, model=model, baseline=other)
    wanted = dict.fromkeys(pool.entry(key) for key in (model, other or model))
    missing = [entry for entry in wanted if not pool.is_loaded(entry.key)]
    if not missing:
        return [*asked, *(updates(pool, link) if said else _UNCHANGED), words, ""]
    if all(entry.embedded for entry in missing):
        return [*asked, *_UNCHANGED, status.status(f"Loading {_names(missing)}…", 0.0), link.query]
    are = "is" if len(missing) == 1 else "are"
    where = "Model" if pool.entry(model) in missing else "Compare with"
    words = f"The link is about {_names(missing)}, which {are} not loaded: choose under {where} what to load."
    there = [None if key is None or pool.entry(key) in missing else key for key in (model, other)]
    return [*asked, *updates(pool, replace(link, model=there[0], baseline=there[1])), status.status(words), ""]


def _names(entries: list[ModelEntry]) -> str:
    return " and ".join(entry.name for entry in entries)


def loaded_later(pool: ModelPool, query: str, before: tuple[str, str]) -> list:
    """What ``updates`` returns, the status, and an empty query, once the models of a link are loaded.

    before: the preset that is in use, and its sentence, where they cannot be; the rest then stays as it is.
    """
    link = link_of(dict(parse_qsl(query)))
    if link == Link():
        return [*_UNCHANGED, gr.skip(), gr.skip()]
    try:
        loaded = pool.load_pair(link.model, link.baseline or link.model)
    except ModelLoadError as error:
        return [*_UNCHANGED[:4], *before, *_UNCHANGED[6:], status.problem(str(error)), ""]
    names = list(dict.fromkeys(one.entry for one in loaded))
    words = f"{_names(names)} {'is' if len(names) == 1 else 'are'} loaded."
    return [*updates(pool, link), status.status(words), ""]


def updates(pool: ModelPool, link: Link) -> list:
    """The model, its key, note and budgets, the preset and its sentence, K and R, and the other side: what a link says
    of them that these models have, else the model's own default. The models should be in memory.
    """
    loaded, other = pool.load_pair(link.model, link.baseline or link.model)
    offered, key, beside = budget_choices.choices(loaded, pool), loaded.entry.key, link.baseline or SAME
    sides = baseline_panel.sides(key, beside, link.baseline_r or 0.0)
    named = next(
        (choice for choice in offered if choice.name == link.preset and choice.sides in (None, sides)), offered[0]
    )
    k = link.k if link.k is not None and link.k < layers_of(loaded) else named.k
    r_percent = named.r_percent if link.r is None else link.r
    same = link.preset is not None and (named.k, named.r_percent) == (k, r_percent)
    name = named.name if same else budget_choices.name_of(offered, k, r_percent, sides)
    return [
        key,
        key,
        note(loaded),
        offered,
        gr.Radio(budget_choices.names(offered), value=name),
        sentence(offered, name, key, k, r_percent),
        gr.Slider(value=k, maximum=layers_of(loaded) - 1),
        gr.Slider(value=r_percent, step=slider_step(r_percent)),
        *baseline_panel.updates(pool, other, beside, link.baseline_k, link.baseline_r),
    ]
