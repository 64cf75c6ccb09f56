"""What happens on the Compare tab when a model, a preset or an amount of pruning is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.events import Dependency

from fastv.app.compare import baseline_panel, method_choice, method_options
from fastv.app.compare.baseline_panel import SAME
from fastv.app.compare.chosen_sides import chosen_sides, setups
from fastv.app.compare.components import CompareControls
from fastv.app.hosting.event_options import CHOICE, INSTANT, ONE_AT_A_TIME, QUIET, TYPED
from fastv.app.service.load_progress import load_with_progress
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSide, ChosenSides
from fastv.app.shared import preset_choices, status
from fastv.app.shared.deep_link import Link
from fastv.app.shared.preset_choices import PresetChoice, slider_percent, slider_step
from fastv.app.shared.tab import Updates, Values, or_skip
from fastv.errors import FastVError, ModelLoadError
from fastv.evidence.pair_quality import quality_of_sides
from fastv.families.catalogue import ModelEntry
from fastv.miniature.world.abilities import in_words
from fastv.presentation.html import render

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel


def connect_model(ui: CompareControls, pool: ModelPool) -> Dependency:
    """The candidate's model and its pruning; returns the event that loads it, which Stop ends."""

    def switch(values: Values) -> Iterator[Updates]:
        key, in_use, other = values[ui.model], values[ui.in_use], values[ui.baseline.in_use]
        if key == in_use:
            yield or_skip({})  # the field was left as it was
            return

        def loaded(model: LoadedModel) -> Updates:
            panel = {}
            if other == SAME:
                of = ui.baseline
                panel = of.updates(pool, model, SAME, *(values[one] for one in (of.k, of.r, of.method, of.options)))
            return {ui.in_use: key, **panel, **_first_preset(ui, pool, model, values)}

        failed = {ui.model: in_use}
        stays = f"{pool.entry(in_use).name} stays in use."
        yield from _switch(ui, pool, key, other or key, loaded, failed, stays)

    def moved(values: Values) -> Updates:
        return or_skip(preset_updates(ui, pool, values))

    switching = ui.model.input(
        switch,
        {ui.model, *ui.side_inputs},
        [ui.status, *ui.side_outputs, ui.stop],
        **ONE_AT_A_TIME,
        **QUIET,
        **CHOICE,
    )
    ui.preset.input(
        lambda values: _apply_preset(ui, pool, values),
        {ui.preset, ui.offered, *ui.side_inputs},
        [ui.sentence, ui.k, ui.r, ui.pending_link],
        **INSTANT,
    )
    gr.on(
        [ui.k.input, ui.r.input, ui.method.input, ui.options.input],
        moved,
        {ui.offered, *ui.side_inputs},
        [ui.preset, ui.sentence],
        **TYPED,
    )
    return switching


def connect_baseline(ui: CompareControls, pool: ModelPool) -> Dependency:
    """What the candidate is compared with; returns the event that loads it, which Stop ends."""
    panel = ui.baseline

    def switch(values: Values) -> Iterator[Updates]:
        key, model = values[panel.model], values[ui.in_use]
        if key == values[panel.in_use]:
            yield or_skip({})  # the field was left as it was
            return

        def loaded(other: LoadedModel) -> Updates:
            chosen = {**values, panel.in_use: key}
            return {
                **panel.updates(
                    pool, other, key, *(values[one] for one in (panel.k, panel.r, panel.method, panel.options))
                ),
                **preset_updates(ui, pool, chosen),
                ui.status: status.status(f"The baseline is {'the same model' if key == SAME else other.entry.name}."),
            }

        failed = {panel.model: values[panel.in_use]}
        yield from _switch(ui, pool, key or model, model, loaded, failed, "The baseline is unchanged.")

    def moved(values: Values) -> Updates:
        k, r_percent = values[panel.k], values[panel.r]
        title = baseline_panel.label(pool, values[panel.in_use], k, r_percent, values[panel.method])
        return {panel.box: gr.Accordion(label=title), **preset_updates(ui, pool, values)}

    switching = panel.model.input(
        switch,
        {panel.model, ui.offered, *ui.side_inputs},
        [ui.status, *panel.outputs, ui.preset, ui.sentence, ui.stop],
        **ONE_AT_A_TIME,
        **QUIET,
        **CHOICE,
    )
    gr.on(
        [panel.k.input, panel.r.input, panel.method.input, panel.options.input],
        moved,
        {ui.offered, *ui.side_inputs},
        [panel.box, ui.preset, ui.sentence],
        **TYPED,
    )
    return switching


def _switch(
    ui: CompareControls,
    pool: ModelPool,
    key: str,
    other: str,
    loaded: Callable[[LoadedModel], Updates],
    failed: Updates,
    stays: str,
) -> Iterator[Updates]:
    """Loads a model with progress; one that cannot be loaded leaves the previous one in use."""
    try:
        yield {ui.status: status.status(_loading(pool, key), 0.0), ui.stop: gr.Button(interactive=True)}
        for step in load_with_progress(pool, key, other):
            yield or_skip({} if step is None else {ui.status: status.status(step.sentence, step.fraction)})
        model = pool.load(key)
    except ModelLoadError as error:
        status.warn(str(error))
        yield {ui.status: status.problem(f"{error} {stays}"), **failed, ui.stop: gr.Button(interactive=False)}
    else:
        done = {ui.status: status.status(f"{model.entry.name} is loaded."), ui.stop: gr.Button(interactive=False)}
        yield done | loaded(model)


def _loading(pool: ModelPool, key: str) -> str:
    """What is about to happen, with the size of a download: it may have been chosen by mistake."""
    entry = pool.entry(key)
    if entry.embedded or key in pool.unavailable or pool.is_loaded(key) or not entry.download_bytes:
        return f"Loading {entry.name}…"
    return f"Loading {entry.name}: up to {entry.download_bytes / 1e9:.1f} GB to download. Stop cancels it."


def model_note(entry: ModelEntry) -> str:
    """What to expect of a model, as HTML."""
    measured = entry.embedded and (Path(entry.source) / "scores.json").is_file()
    limits = in_words(Path(entry.source)) if measured else ""
    return render("app/compare/model_note", name=entry.name, description=entry.description, limits=limits)


def _first_preset(ui: CompareControls, pool: ModelPool, loaded: LoadedModel, values: Values) -> Updates:
    """The presets for a model, with the first of them chosen."""
    outline = pool.outline(loaded.entry.key)
    offered = preset_choices.choices(outline, pool)
    first = offered[0]
    k, r_percent = first.pruning.k, slider_percent(first.pruning.r)
    chosen = {**values, ui.in_use: loaded.entry.key, ui.offered: offered, ui.k: k, ui.r: r_percent}
    updates = preset_updates(ui, pool, chosen)
    return {
        **updates,
        ui.note: model_note(loaded.entry),
        ui.offered: offered,
        ui.preset: gr.Radio(preset_choices.names(offered), value=updates.get(ui.preset, first.name)),
        ui.k: method_choice.k_slider(values[ui.method], outline.ranked_from, value=k, maximum=outline.layers - 1),
        ui.r: r_slider(r_percent),
        ui.method: method_choice.for_model(loaded, values[ui.method]),
        ui.options: method_options.for_model(loaded.family, values[ui.options]),
    }


def _apply_preset(ui: CompareControls, pool: ModelPool, values: Values) -> Updates:
    """A preset's K and R; one that sets up both sides is left to the pending link, which loads their models.

    A preset of one model that follows one of both sides brings back the usual baseline.
    """
    name, offered = values[ui.preset], values[ui.offered]
    choice = next((choice for choice in offered if choice.name == name), None)
    if choice is None:
        return {ui.sentence: preset_sentence(offered, name, ""), ui.pending_link: ""}
    k, r_percent = choice.pruning.k, slider_percent(choice.pruning.r)
    try:
        before, after = (chosen_sides(ui, one) for one in (values, {**values, ui.k: k, ui.r: r_percent}))
        if choice.pair is not None:
            model, beside = choice.pair
            after = ChosenSides(ChosenSide(model, after.candidate.pruning), ChosenSide(beside))
        known = _quality(pool, after)
        leaves_pair = before.pair is not None and _is_pair_preset(offered, before)
    except FastVError:
        known, leaves_pair = "", False
    sentence = preset_sentence(offered, name, known)
    if choice.pair is None and not leaves_pair:
        return {ui.sentence: sentence, ui.k: k, ui.r: r_slider(r_percent), ui.pending_link: ""}
    model, beside = choice.pair or (values[ui.in_use], None)
    options = ",".join(values[ui.options]) or None
    link = Link(model, k, r_percent, choice.name, method=values[ui.method], baseline=beside, options=options)
    return {ui.sentence: sentence, ui.pending_link: link.query}


def _is_pair_preset(offered: list[PresetChoice], sides: ChosenSides) -> bool:
    name = preset_choices.name_of(offered, sides.candidate.pruning, sides.pair)
    return any(choice.name == name and choice.pair == sides.pair for choice in offered)


def preset_updates(ui: CompareControls, pool: ModelPool, values: Values, name: str | None = None) -> Updates:
    """The preset that the chosen sides amount to, and its sentence; nothing while a field is empty or out of range.

    name: the preset, where that is known already.
    """
    offered = values[ui.offered]
    try:
        sides = chosen_sides(ui, values)
        known = _quality(pool, sides)
    except FastVError:
        return {}
    name = name or preset_choices.name_of(offered, sides.candidate.pruning, sides.pair)
    return {ui.preset: name, ui.sentence: preset_sentence(offered, name, known)}


def _quality(pool: ModelPool, sides: ChosenSides) -> str:
    baseline, candidate = setups(pool, sides)
    return quality_of_sides(candidate, baseline)


def preset_sentence(offered: list[PresetChoice], name: str, known: str) -> str:
    """What a preset is for, and what is known of the quality at this setting, as HTML."""
    return render("app/compare/preset", sentence=preset_choices.sentence_of(offered, name), known=known)


def r_slider(r_percent: float) -> Any:
    """The R slider at a value, with a step that reaches it."""
    return gr.Slider(value=r_percent, step=slider_step(r_percent))
