"""The setting's dot in the chart moves with the sliders, and a dot that is chosen moves the sliders."""

from __future__ import annotations

from typing import Any

import gradio as gr

from fastv.app.compare.chart_controls import chart
from fastv.app.compare.chosen_sides import pruning_of
from fastv.app.compare.components import CompareControls
from fastv.app.compare.shared_pruning import shared_pruning
from fastv.app.hosting.event_options import INSTANT
from fastv.app.hosting.last_change import after_changes
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.tab import Updates, Values, or_skip
from fastv.errors import FastVError
from fastv.pruning.methods.registry import METHODS


def connect_chart(ui: CompareControls, pool: ModelPool) -> None:
    controls = ui.chart
    shared = shared_pruning(ui, pool)

    def moved(values: Values) -> Updates:
        try:
            pruning = pruning_of(values[ui.method], values[ui.k], values[ui.r], values[ui.options])
            return {controls.pane: chart(values[ui.in_use], pruning, values[controls.source])}
        except FastVError:  # a field may be empty while it is being edited
            return or_skip({})

    def chosen(event: gr.EventData, values: Values) -> Updates:
        try:
            k, r, method = (getattr(event, name, None) for name in ("k", "r", "method"))
            is_whole = k == ""  # a point without pruning has no K
            method = method if method in METHODS and not is_whole else values[ui.method]
            pruning = pruning_of(method, values[ui.k] if is_whole else int(str(k)), 100 * float(str(r)))
        except (FastVError, ValueError):  # a script can send anything
            return or_skip({})
        return {ui.method: method, **shared.set({**values, ui.method: method}, pruning.k, round(100 * pruning.r, 1))}

    inputs: set[Any] = {ui.in_use, controls.source, ui.k, ui.r, ui.method, ui.options}
    parts = (ui.k, ui.r, ui.method, ui.options, ui.note, controls.source)
    after_changes(parts, moved, inputs, [controls.pane])
    outputs = [ui.method, *shared.outputs]
    controls.pane.click(chosen, set(shared.inputs), outputs, trigger_mode="always_last", **INSTANT)
