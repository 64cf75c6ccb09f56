"""What the slider over R does: it follows picture, question and model, and K, R and method follow it."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.events import Dependency

from fastv.app.compare.chosen_sides import chosen_sides, pruning_of, setups
from fastv.app.compare.components import CompareControls
from fastv.app.compare.model_events import preset_updates, r_slider
from fastv.app.compare.scrubber.html import scrubber
from fastv.app.compare.scrubber.recorded import RecordedScene, recorded_scene
from fastv.app.compare.view_stream import NO_REMARK
from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.hosting.last_change import after_changes
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSides
from fastv.app.shared.example_scenes import example
from fastv.app.shared.preset_choices import layers_of
from fastv.app.shared.tab import Updates, Values, or_skip
from fastv.errors import FastVError
from fastv.presentation.answers_html import answers
from fastv.presentation.seen_html import seen_picture
from fastv.presentation.side_labels import side_labels
from fastv.presentation.tiles_html import tiles
from fastv.pruning.config import PruningConfig

_FOLLOW = """(k, r, method) => {
  document.querySelector("#scrubber .scrubber")?.dispatchEvent(
    new CustomEvent("follow", {detail: [k, r, method], bubbles: true}));
}"""


def connect_scrubber(ui: CompareControls, pool: ModelPool) -> Dependency:
    """Connects the slider and what it shows; returns the event that asks for what was not recorded."""
    asked = {ui.scene, ui.picture, ui.question, ui.video.which, ui.video.file, ui.shown_key, *ui.side_inputs}

    def follow(values: Values) -> Updates:
        return or_skip(shown_updates(ui, pool, values))

    of_sides = (ui.note, ui.in_use, ui.options, ui.baseline.model, *ui.baseline.inputs)
    after_changes(
        # The picture too: the change of a scene's number alone can get lost while another request is under way.
        (ui.picture, ui.question, ui.video.frames, *of_sides),
        follow,
        asked,
        [ui.scrubber, ui.kept, ui.answers, ui.tiles, ui.remark, ui.shown_key],
    )
    gr.on([part.change for part in (ui.k, ui.r, ui.method)], None, [ui.k, ui.r, ui.method], None, js=_FOLLOW, **QUIET)

    def moved(event: gr.EventData, values: Values) -> Updates:
        try:
            pruning = moved_to(event)
        except FastVError:  # a script can send anything
            return or_skip({})
        chosen = {**values, ui.k: pruning.k, ui.r: round(100 * pruning.r, 1), ui.method: pruning.method}
        return {
            ui.k: pruning.k,
            ui.r: r_slider(chosen[ui.r]),
            ui.method: pruning.method,
            **preset_updates(ui, pool, chosen),
        }

    inputs, outputs = {ui.offered, *ui.side_inputs}, [ui.k, ui.r, ui.method, ui.preset, ui.sentence]
    each = INSTANT | {"trigger_mode": "multiple", "preprocess": False}
    ui.scrubber.input(moved, inputs, outputs, **each)
    return ui.scrubber.submit(moved, inputs, outputs, **each)


def moved_to(event: Any) -> PruningConfig:
    """The setting that the slider reports. Raises InvalidBudgetError."""
    return pruning_of(*(getattr(event, name, None) for name in ("method", "k", "r")))


def shown_updates(ui: CompareControls, pool: ModelPool, values: Values) -> Updates:
    """The slider for another picture, question or model, with what was recorded; nothing where it is the same."""
    try:
        sides = chosen_sides(ui, values)
        entry = pool.entry(values[ui.in_use])
        outline = pool.outline(entry.key)
    except FastVError:  # a field may be empty while it is being edited
        return {}
    scene = None if values[ui.video.which] else values[ui.scene]
    recorded = recorded_of(pool, sides, scene, values[ui.question])
    own = None if scene is not None else str(values[ui.video.file if values[ui.video.which] else ui.picture])
    key, before = [entry.key, scene, own, recorded is not None], list(values[ui.shown_key])
    if key == before:
        return {}
    pruning = sides.candidate.pruning or PruningConfig(values[ui.method], r=0.0)
    updates: Updates = {ui.shown_key: key, ui.scrubber: scrubber(pruning, layers_of(outline), recorded, of=key[:3])}
    shown = recorded and recorded.shown(pruning)
    if shown:
        return updates | {
            ui.kept: shown.kept,
            ui.answers: shown.answers,
            ui.tiles: shown.tiles,
            ui.remark: shown.remark,
        }
    is_other_side = before[-1] and (key[0] != before[0] or not _recordable(sides))
    if is_other_side:  # what was recorded is not of these sides
        labels = side_labels(*setups(pool, sides))
        updates |= {ui.answers: answers("", "", labels), ui.tiles: tiles(), ui.remark: NO_REMARK}
    if scene is not None and (is_other_side or key[1:3] != before[1:3]):
        updates[ui.kept] = seen_picture(example(scene).picture)
    return updates


def recorded_of(pool: ModelPool, sides: ChosenSides, scene: int | None, question: str) -> RecordedScene | None:
    """What was recorded of the chosen sides."""
    return recorded_scene(pool.entry(sides.candidate.model), scene, question) if _recordable(sides) else None


def _recordable(sides: ChosenSides) -> bool:
    """Whether the baseline is the usual one, and the candidate's method has its usual options."""
    pruning = sides.candidate.pruning
    return sides.has_plain_baseline and not (pruning and pruning.options)
