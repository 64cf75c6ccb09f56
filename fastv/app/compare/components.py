"""The components of the Compare tab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from fastv.app.compare.baseline_panel import BaselinePanel
from fastv.app.compare.chart_controls import ChartControls
from fastv.app.compare.export import ExportControls
from fastv.app.compare.video_panel import VideoPanel


@dataclass
class CompareControls:
    """The components of the tab.

    Attributes
    ----------
    known
        True answers to questions about the picture.
    in_use
        The key of the model in use, which differs from the chosen one while that is loading.
    offered
        The presets for the model in use.
    scene
        The seed of the example shown; None for a visitor's own picture.
    fresh
        Whether nothing has run yet.
    pending_link
        The query of a link whose models are still to be loaded, in a hidden text box: a State would not tell of a
        change that skips the queue.
    opponents
        By method: what prunes the other side at this side's K and R.
    kept, other_kept
        The picture as the candidate sees it, and as the baseline does where it is pruned too.
    scrubber
        The slider over R that shows recorded answers.
    shown_key
        Of which model, picture and question the slider is.
    """

    model: gr.Dropdown
    note: gr.HTML
    picture: gr.Image
    gallery: gr.Gallery
    new_scene: gr.Button
    question: gr.Textbox
    chips: list[gr.Button]
    preset: gr.Radio
    sentence: gr.HTML
    k: gr.Slider
    r: gr.Slider
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    method: gr.Dropdown
    options: gr.CheckboxGroup
    opponents: dict[str, gr.Button]
    max_new_tokens: gr.Slider
    repeats: gr.Slider
    kept: gr.HTML
    scrubber: gr.HTML
    shown_key: gr.State
    answers: gr.HTML
    tiles: gr.HTML
    remark: gr.HTML
    table: gr.HTML
    other_kept: gr.HTML
    known: gr.State
    in_use: gr.State
    offered: gr.State
    scene: gr.State
    fresh: gr.State
    pending_link: gr.Textbox
    video: VideoPanel
    baseline: BaselinePanel
    chart: ChartControls
    export: ExportControls

    @property
    def side_inputs(self) -> list[Any]:
        """The components that say which sides are compared; see ``chosen_sides``."""
        return [self.in_use, self.method, self.k, self.r, self.options, *self.baseline.inputs]

    @property
    def model_outputs(self) -> list[Any]:
        """The components that change with the candidate's model."""
        chosen = [self.model, self.in_use, self.note, self.offered, self.preset, self.sentence, self.k, self.r]
        return [*chosen, self.method, self.options]

    @property
    def side_outputs(self) -> list[Any]:
        """The components that change with both sides."""
        return [*self.model_outputs, *self.baseline.outputs]

    @property
    def picture_outputs(self) -> list[Any]:
        """The components that change with the picture."""
        return [self.picture, self.question, self.known, self.scene, *self.chips]
