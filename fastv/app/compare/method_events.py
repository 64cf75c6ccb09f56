"""What happens on the Compare tab when a method is chosen for a side, or an opponent."""

from __future__ import annotations

from functools import partial

import gradio as gr

from fastv.app.compare import method_choice
from fastv.app.compare.baseline_panel import K_INFO, SAME
from fastv.app.compare.components import CompareControls
from fastv.app.compare.model_events import preset_updates
from fastv.app.hosting.event_options import INSTANT, QUIET
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared import status
from fastv.app.shared.tab import Updates, Values
from fastv.pruning.methods.registry import METHODS


def connect_methods(ui: CompareControls, pool: ModelPool) -> None:
    panel = ui.baseline

    def chosen(values: Values) -> Updates:
        """K where the methods take it, and what their models cannot do."""
        method, model = values[ui.method], values[ui.in_use]
        other = values[panel.method] or method
        outline, beside = pool.outline(model), pool.outline(values[panel.in_use] or model)
        return {
            ui.k: method_choice.k_slider(method, outline.ranked_from),
            ui.method: gr.Dropdown(info=method_choice.refusal(outline, method)),
            panel.k: method_choice.k_slider(other, beside.ranked_from, K_INFO),
            panel.method: gr.Dropdown(info=method_choice.refusal(beside, values[panel.method])),
        }

    gr.on(
        [ui.method.change, panel.method.change],
        chosen,
        {ui.method, ui.in_use, panel.method, panel.in_use},
        [ui.k, ui.method, panel.k, panel.method],
        **QUIET,
    )
    for name, button in ui.opponents.items():
        button.click(
            partial(against, ui, pool, name),
            {ui.offered, *ui.side_inputs},
            [*panel.outputs, ui.preset, ui.sentence, ui.status],
            **INSTANT,
        )


def against(ui: CompareControls, pool: ModelPool, opponent: str, values: Values) -> Updates:
    """The same model by another method, on the other side: at the same R and options, and where it takes a K at the
    same one, or at layer 0 where this side's method takes none.
    """
    r_percent, method, options = values[ui.r], METHODS[values[ui.method]], values[ui.options]
    model = pool.load(values[ui.in_use])
    if not r_percent:
        return {ui.status: status.problem("Choose an R above 0: at R=0% no method drops anything.")}
    if (refused := method_choice.refusal(model, opponent)) is not None:
        return {ui.status: status.problem(refused)}
    own = values[ui.k] if method.takes_k else method.default_k
    k = own if METHODS[opponent].takes_k else values[ui.baseline.k]
    panel = ui.baseline.updates(pool, model, SAME, k, r_percent, opponent, options)
    chosen = {
        **values,
        ui.baseline.in_use: SAME,
        ui.baseline.method: opponent,
        ui.baseline.k: k,
        ui.baseline.r: r_percent,
        ui.baseline.options: options,
    }
    words = f"The other side keeps tokens {METHODS[opponent].phrase}, at the same R. Press Run."
    return {**panel, **preset_updates(ui, pool, chosen), ui.status: status.status(words)}
