"""What the candidate is compared with: the same model without pruning, unless something else is chosen here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from fastv.app.compare import method_choice, method_options
from fastv.app.compare.method_choice import SAME_METHOD
from fastv.app.service.model_outline import ModelOutline
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.model_choices import SEARCH
from fastv.app.shared.preset_choices import slider_step
from fastv.app.shared.tab import Updates
from fastv.formatting import budget
from fastv.pruning.methods.registry import METHODS

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel

SAME = ""  # stands for the candidate's model in the choice
_DEFAULT_K = 2
K_INFO = "if R is above 0"


@dataclass
class BaselinePanel:
    """The components.

    Attributes
    ----------
    in_use
        The key of the model in use, SAME for the candidate's.
    r
        In percent; 0 is without pruning.
    """

    box: gr.Accordion
    model: gr.Dropdown
    method: gr.Dropdown
    k: gr.Slider
    r: gr.Slider
    options: gr.CheckboxGroup
    in_use: gr.State

    @property
    def inputs(self) -> list[Any]:
        """What says which side it is."""
        return [self.in_use, self.method, self.k, self.r, self.options]

    @property
    def outputs(self) -> list[Any]:
        """What ``updates`` is for."""
        return [self.box, self.model, self.in_use, self.method, self.k, self.r, self.options]

    def updates(
        self,
        pool: ModelPool,
        loaded: LoadedModel,
        key: str,
        k: int | None = None,
        r_percent: float | None = None,
        method: str = SAME_METHOD,
        options: Sequence[str] = (),
    ) -> Updates:
        """The components for another choice; ``loaded`` is the model it amounts to."""
        outline, r_percent = ModelOutline.of_loaded(loaded), r_percent or 0.0
        k = default_k(outline) if k is None else min(k, outline.layers - 1)
        return {
            self.box: gr.Accordion(label=label(pool, key, k, r_percent, method)),
            self.model: key,
            self.in_use: key,
            self.method: method_choice.for_model(loaded, method, same=True),
            self.k: gr.Slider(value=k, maximum=outline.layers - 1),
            self.r: gr.Slider(value=r_percent, step=slider_step(r_percent)),
            self.options: method_options.for_model(loaded.family, options),
        }


def default_k(outline: ModelOutline) -> int:
    """K to begin with, where the baseline is pruned too."""
    return min(max(_DEFAULT_K, outline.ranked_from), outline.layers - 1)


def layout(pool: ModelPool, outline: ModelOutline, models: Sequence[tuple[str, str]]) -> BaselinePanel:
    """Lays it out, closed, in the Blocks that are open; ``models`` as ``model_choices`` lists them."""
    in_use = gr.State(SAME)
    with gr.Accordion(label(pool, SAME, default_k(outline), 0), open=False, elem_id="compare-with") as box:
        model = gr.Dropdown(
            [("The same model", SAME), *models],
            value=SAME,
            label="Model to compare with",
            info=SEARCH,
            elem_id="baseline-model",
            filterable=True,
        )
        method = method_choice.dropdown(SAME_METHOD, "baseline-method", "Its method", outline, same=True)
        with gr.Row(elem_classes="sliders"):
            k = gr.Slider(
                0,
                outline.layers - 1,
                value=default_k(outline),
                step=1,
                label="K: drop at layer",
                info=K_INFO,
                elem_id="baseline-k",
                min_width=200,
                buttons=[],
            )
            r = gr.Slider(
                0,
                100,
                value=0,
                step=1,
                label="R: drop, %",
                info="0: no pruning",
                elem_id="baseline-r",
                min_width=200,
                buttons=[],
            )
        options = method_options.boxes("baseline-options", outline.family, "Its options")
    return BaselinePanel(box, model, method, k, r, options, in_use)


def label(pool: ModelPool, key: str, k: int, r_percent: float, method: str = SAME_METHOD) -> str:
    """The title of the closed box."""
    name = "the same model" if key == SAME else pool.entry(key).name
    if not r_percent:
        return f"Compare with: {name} without pruning"
    how = f", {METHODS[method].label}" if method else ""
    takes_k = not method or METHODS[method].takes_k
    return f"Compare with: {name}{how} at {budget(k if takes_k else None, r_percent / 100)}"
