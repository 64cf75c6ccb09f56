"""The components of the comparison tab, and how their events run."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from fastv.app.compare.baseline_panel import Baseline
from fastv.app.compare.export import ExportControls
from fastv.app.compare.video_panel import VideoPanel


@dataclass
class CompareControls:
    """The components of the tab.

    known: true answers to questions about the picture; in_use: the key of the model in use; offered: the budgets for
    it; scene: the seed of the example shown, None for a picture of one's own; fresh: whether
    nothing has run yet; later: the query of a link whose models are still to be loaded, out of sight (a State would not
    tell of a change that skips the queue). other_row: what the other side kept, where it has FastV too.
    """

    model: gr.Radio
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
    method: gr.Radio
    max_new_tokens: gr.Slider
    repeats: gr.Slider
    answers: gr.HTML
    table: gr.HTML
    kept_picture: gr.Image
    kept_words: gr.HTML
    other_row: gr.Row
    other_picture: gr.Image
    other_words: gr.HTML
    known: gr.State
    in_use: gr.State
    offered: gr.State
    scene: gr.State
    fresh: gr.State
    later: gr.Textbox
    clips: VideoPanel
    baseline: Baseline
    taking: ExportControls

    @property
    def chosen(self) -> list:
        """What says which sides are compared: model, K, R, then the other side's."""
        return [self.in_use, self.k, self.r, *self.baseline.chosen]

    @property
    def setup(self) -> list:
        """All that changes with the sides: what ``following.updates`` is for."""
        return [
            self.model,
            self.in_use,
            self.note,
            self.offered,
            self.preset,
            self.sentence,
            self.k,
            self.r,
            *self.baseline.all,
        ]
