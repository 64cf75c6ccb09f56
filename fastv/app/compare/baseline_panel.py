"""What the comparison is with: the same model without FastV unless somebody opens this and chooses something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.budget_choices import layers_of, slider_step
from fastv.errors import InvalidBudgetError
from fastv.formatting import budget
from fastv.loading.load import LoadedModel
from fastv.measurement.results import Setup

SAME = ""  # stands for the same model in the choice
K = 2  # to begin with, where the other side gets FastV too


@dataclass
class Baseline:
    """The components. in_use: the key of the model in use, SAME for the candidate's own; r: percent, 0 without FastV."""

    box: gr.Accordion
    model: gr.Radio
    k: gr.Slider
    r: gr.Slider
    in_use: gr.State

    @property
    def chosen(self) -> list[Any]:
        """What says which side it is: key, K, R."""
        return [self.in_use, self.k, self.r]

    @property
    def all(self) -> list[Any]:
        """What ``updates`` is for."""
        return [self.box, self.model, self.in_use, self.k, self.r]


def layout(pool: ModelPool, loaded: LoadedModel) -> Baseline:
    """Lays it out, closed, in the Blocks that are open."""
    in_use = gr.State(SAME)
    with gr.Accordion(label(pool, SAME, K, 0), open=False, elem_id="compare-with") as box:
        model = gr.Radio(
            [("The same model", SAME), *((pool.label(key), key) for key in pool.entries)],
            value=SAME,
            label="Model of the other side",
            elem_id="baseline-model",
        )
        with gr.Row(elem_classes="sliders"):
            k = gr.Slider(
                0,
                layers_of(loaded) - 1,
                value=min(K, layers_of(loaded) - 1),
                step=1,
                label="K: drop at layer",
                info="matters where R is above 0",
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
                info="0 is without FastV",
                elem_id="baseline-r",
                min_width=200,
                buttons=[],
            )
    return Baseline(box, model, k, r, in_use)


def label(pool: ModelPool, key: str, k: int, r_percent: float) -> str:
    """What stands on the closed box."""
    name = "the same model" if key == SAME else pool.entry(key).name
    return f"Compare with: {name} {f'at {budget(k, r_percent / 100)}' if r_percent else 'without FastV'}"


def updates(
    pool: ModelPool, loaded: LoadedModel, key: str, k: int | None = None, r_percent: float | None = None
) -> list:
    """Its components for another choice; loaded: the model it amounts to."""
    layers, r_percent = layers_of(loaded), r_percent or 0.0
    k = min(K if k is None else k, layers - 1)
    return [
        gr.Accordion(label=label(pool, key, k, r_percent)),
        key,
        key,
        gr.Slider(value=k, maximum=layers - 1),
        gr.Slider(value=r_percent, step=slider_step(r_percent)),
    ]


def setups(
    pool: ModelPool, model: str | None, k: int, r_percent: float, key: str, other_k: int, other_r: float
) -> tuple[Setup, Setup]:
    """Baseline and candidate as they are chosen, whether or not their models are in memory.

    R = 0 is without FastV, but not where a model is compared with itself: there it shows what FastV alone changes.
    Raises ModelLoadError for a model that is not on the pool, InvalidBudgetError for a field that is empty.
    """
    if not all(isinstance(value, int | float) for value in (k, r_percent, other_k, other_r)):
        raise InvalidBudgetError("K and R must be numbers: please fill in their fields.")
    none = not r_percent and not is_usual(model, key, other_r)
    return (
        pool.setup(key or model, other_k if other_r else None, round(other_r / 100, 4)),
        pool.setup(model, None if none else k, round(r_percent / 100, 4)),
    )


def sides(model: str, key: str, r_percent: float) -> tuple[str, str] | None:
    """The model and the one it is beside, where that is another without FastV: what a duel sets up."""
    return None if r_percent or key in (SAME, model) else (model, key)


def is_usual(model: str, key: str, r_percent: float) -> bool:
    """Whether it is the same model without FastV."""
    return not r_percent and key in (SAME, model)
