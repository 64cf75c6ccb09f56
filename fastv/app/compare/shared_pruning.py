"""K and R as other tabs set them: they are the same everywhere, as far as the model in use has the layer."""

from __future__ import annotations

from fastv.app.compare.components import CompareControls
from fastv.app.compare.model_events import preset_updates, r_slider
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared import status
from fastv.app.shared.preset_choices import layers_of
from fastv.app.shared.tab import SharedPruning, Updates, Values


def shared_pruning(ui: CompareControls, pool: ModelPool) -> SharedPruning:
    """The Compare tab's K and R, with the preset and the sentence that belong to them."""

    def set_pruning(values: Values, k: int, r_percent: float) -> Updates:
        model = pool.outline(values[ui.in_use])
        layers = layers_of(model)
        if k >= layers:
            words = (
                f"K={k} was chosen on another tab, but {model.entry.name} has {layers} decoder layers "
                f"(0 to {layers - 1}): K and R on this tab are unchanged."
            )
            return {ui.status: status.problem(words)}
        chosen = {**values, ui.k: k, ui.r: r_percent}
        return {ui.k: k, ui.r: r_slider(r_percent), **preset_updates(ui, pool, chosen)}

    inputs = (ui.offered, *ui.side_inputs)
    return SharedPruning(ui.k, ui.r, inputs, (ui.k, ui.r, ui.preset, ui.sentence, ui.status), set_pruning)
