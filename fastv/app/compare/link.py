"""What is chosen on the Compare tab as a link, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from fastv.app.compare import method_choice, method_options
from fastv.app.compare.baseline_panel import SAME
from fastv.app.compare.chosen_sides import chosen_sides
from fastv.app.compare.components import CompareControls
from fastv.app.compare.export import script_of
from fastv.app.compare.method_choice import SAME_METHOD
from fastv.app.compare.model_events import model_note, preset_updates, r_slider
from fastv.app.compare.picture_events import show_scene, suggest
from fastv.app.compare.video_events import clip_outputs, example_clip
from fastv.app.hosting.event_options import ONE_AT_A_TIME, QUIET
from fastv.app.hosting.last_change import after_changes
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared import deep_link, example_scenes, preset_choices, status
from fastv.app.shared.copy_link import connect_copy
from fastv.app.shared.deep_link import Link, link_of
from fastv.app.shared.preset_choices import slider_percent
from fastv.app.shared.tab import BuiltTab, Updates, Values, or_skip
from fastv.errors import FastVError, ModelLoadError
from fastv.families.catalogue import ModelEntry

LINK_FIELDS = (*deep_link.FIELDS, *deep_link.OLD_FIELDS)
_OWN = "This link was made with an uploaded image or video, which a link does not contain: please upload a file."


def inputs(ui: CompareControls) -> list[Any]:
    """The components that a link tells of."""
    return [ui.preset, ui.question, ui.scene, ui.video.which, *ui.side_inputs]


def chosen_link(ui: CompareControls, values: Values) -> Link:
    """The link for the values of ``inputs``; it leaves out the baseline where that is the usual one."""
    panel = ui.baseline
    said = {
        "model": values[ui.in_use],
        "k": values[ui.k],
        "r": values[ui.r],
        "preset": values[ui.preset],
        "question": values[ui.question],
        "method": values[ui.method],
        "options": ",".join(values[ui.options]) or None,
        "baseline": values[panel.in_use] or None,
        **_picture_field(values[ui.scene], values[ui.video.which]),
    }
    if values[panel.r]:
        said |= {"baseline_k": values[panel.k], "baseline_r": values[panel.r]}
        said |= {"baseline_method": values[panel.method]} if values[panel.method] else {}
        said |= {"baseline_options": ",".join(values[panel.options])} if values[panel.options] else {}
    return link_of(said)


def _picture_field(scene: int | None, clip: str | None) -> dict[str, Any]:
    """Which example the picture or clip is, or that it is the visitor's own."""
    if clip == deep_link.EXAMPLE_CLIP:
        return {"clip": clip}
    return {"picture": deep_link.OWN_PICTURE} if clip or scene is None else {"scene": scene}


def connect_link(ui: CompareControls, pool: ModelPool) -> BuiltTab:
    """Keeps the link and the script up to date, and loads the models of a link that was followed."""
    told = [ui.max_new_tokens, *inputs(ui)]

    def tell(values: Values) -> Updates:
        return or_skip(link_updates(ui, pool, values))

    def load_later(values: Values) -> Updates:
        return or_skip(load_pending(ui, pool, values))

    # The picture too: the change of a scene's number alone can get lost while another request is under way.
    after_changes((*told, ui.picture, ui.video.frames), tell, set(told), [ui.export.query, ui.export.script])
    connect_copy(ui.export.copy)
    ui.pending_link.change(
        load_later,
        {ui.pending_link, ui.offered, *ui.side_inputs},
        [*ui.side_outputs, ui.status, ui.pending_link],
        **ONE_AT_A_TIME,
        **QUIET,
    )
    outputs = dict.fromkeys([*ui.picture_outputs, *clip_outputs(ui), *ui.side_outputs, ui.status, ui.pending_link])
    return BuiltTab(ui.export.query, tuple(outputs), lambda query: follow(ui, pool, link_of(query)))


def link_updates(ui: CompareControls, pool: ModelPool, values: Values) -> Updates:
    """The link's query and the script; nothing while a field is empty or out of range."""
    most = values[ui.max_new_tokens]
    try:
        sides = chosen_sides(ui, values)
        if not isinstance(most, int):
            return {}
        script = script_of(pool, sides, values[ui.question], most, video=bool(values[ui.video.which]))
    except FastVError:
        return {}
    return {ui.export.query: chosen_link(ui, values).query, ui.export.script: script}


def follow(ui: CompareControls, pool: ModelPool, link: Link) -> Updates:
    """Restores a link: picture, question, method, and, where their models are in memory, the sides.

    A model that comes with the project is loaded when a link is opened. Downloading one, or dropping one that is in
    use, has to be chosen on the page.
    """
    updates = _follow_picture(ui, link)
    if link.question is not None:
        updates[ui.question] = link.question
    if link.method is not None:
        updates[ui.method] = link.method
    model, other = (key if key in pool.entries else None for key in (link.model, link.baseline))
    says_sides = any(
        value is not None
        for value in (
            *(link.model, link.k, link.r, link.preset, link.method, link.options),
            *(link.baseline, link.baseline_r),
        )
    )
    if says_sides or not pool.is_loaded(None):
        updates |= _follow_sides(ui, pool, replace(link, model=model, baseline=other))
    shown = pool.outline(model if pool.is_loaded(model) else pool.default)
    if link.clip == deep_link.EXAMPLE_CLIP and shown.family.videos:
        known = example_scenes.example(example_scenes.GALLERY_SEEDS[0]).answers
        updates |= example_clip(ui, link.question or "", known)
    return updates


def _ticked(options: str | None) -> list[str]:
    return options.split(",") if options else []


def _follow_sides(ui: CompareControls, pool: ModelPool, link: Link) -> Updates:
    wanted = dict.fromkeys(pool.entry(key) for key in (link.model, link.baseline or link.model))
    missing = [entry for entry in wanted if not pool.is_loaded(entry.key)]
    if not missing:
        return side_updates(ui, pool, link)
    if all(entry.embedded for entry in missing):
        pending = replace(link, model=pool.entry(link.model).key)  # never empty, as a change of it loads the models
        return {ui.status: status.status(f"Loading {_names(missing)}…", 0.0), ui.pending_link: pending.query}
    are = "is" if len(missing) == 1 else "are"
    where = "Model" if pool.entry(link.model) in missing else "Compare with"
    words = f"The link uses {_names(missing)}, which {are} not loaded: select the model to load under {where}."
    there = [None if key is None or pool.entry(key) in missing else key for key in (link.model, link.baseline)]
    return {
        **side_updates(ui, pool, replace(link, model=there[0], baseline=there[1])),
        ui.status: status.status(words),
    }


def _follow_picture(ui: CompareControls, link: Link) -> Updates:
    if link.scene is not None:
        return show_scene(ui, link.scene, "", {})
    if link.picture is not None:
        return {
            ui.picture: None,
            ui.known: {},
            ui.scene: None,
            **suggest(ui, example_scenes.GENERAL),
            ui.status: status.status(_OWN),
        }
    return {}


def _names(entries: list[ModelEntry]) -> str:
    return " and ".join(entry.name for entry in entries)


def load_pending(ui: CompareControls, pool: ModelPool, values: Values) -> Updates:
    """Loads the models of a pending link, and restores its sides; where that fails, the sides stay as they are."""
    link = link_of(dict(parse_qsl(values[ui.pending_link] or "")))
    if link == Link():
        return {}
    try:
        loaded = pool.load_pair(link.model, link.baseline or link.model)
    except ModelLoadError as error:
        return {**preset_updates(ui, pool, values), ui.status: status.problem(str(error)), ui.pending_link: ""}
    names = list(dict.fromkeys(model.entry for model in loaded))
    done = {
        ui.status: status.status(f"{_names(names)} {'is' if len(names) == 1 else 'are'} loaded."),
        ui.pending_link: "",
    }
    if link == Link(link.model) and link.model == values[ui.in_use]:  # what was chosen meanwhile stays
        return done
    return side_updates(ui, pool, link) | done


def side_updates(ui: CompareControls, pool: ModelPool, link: Link) -> Updates:
    """The models, presets, K and R of both sides: what a link says that these models have, else their defaults.

    The models should be in memory.
    """
    loaded, other = pool.load_pair(link.model, link.baseline or link.model)
    key, beside = loaded.entry.key, link.baseline or SAME
    outline = pool.outline(key)
    offered = preset_choices.choices(outline, pool)
    pair = (key, beside) if beside not in (SAME, key) and not link.baseline_r else None
    named = next(
        (choice for choice in offered if choice.name == link.preset and choice.pair in (None, pair)), offered[0]
    )
    named_r = slider_percent(named.pruning.r)
    k = link.k if link.k is not None and link.k < outline.layers else named.pruning.k
    r_percent = named_r if link.r is None else link.r
    values: dict[Any, Any] = {
        ui.in_use: key,
        ui.method: link.method or ui.method.value,
        ui.offered: offered,
        ui.k: k,
        ui.r: r_percent,
        ui.baseline.in_use: beside,
        ui.baseline.k: link.baseline_k or 0,
        ui.baseline.r: link.baseline_r or 0,
        ui.baseline.method: link.baseline_method or SAME_METHOD,
        ui.options: _ticked(link.options),
        ui.baseline.options: _ticked(link.baseline_options),
    }
    updates = preset_updates(ui, pool, values)
    if link.preset is not None and (named.pruning.k, named_r) == (k, r_percent):
        # Several presets can amount to the same K and R: the link says which of them it was.
        updates = preset_updates(ui, pool, values, named.name)
    return {
        **updates,
        ui.model: key,
        ui.in_use: key,
        ui.note: model_note(loaded.entry),
        ui.offered: offered,
        ui.preset: gr.Radio(preset_choices.names(offered), value=updates.get(ui.preset, named.name)),
        ui.k: method_choice.k_slider(values[ui.method], outline.ranked_from, value=k, maximum=outline.layers - 1),
        ui.r: r_slider(r_percent),
        ui.method: method_choice.for_model(loaded, values[ui.method]),
        ui.options: method_options.for_model(loaded.family, values[ui.options]),
        **ui.baseline.updates(
            pool,
            other,
            beside,
            link.baseline_k,
            link.baseline_r,
            link.baseline_method or SAME_METHOD,
            values[ui.baseline.options],
        ),
    }
