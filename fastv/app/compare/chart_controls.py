"""The chart above the comparison: what the chosen setting costs and how it scores, over many questions."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from markupsafe import Markup

from fastv.app.shared.frontier_chart import SPOTS_SCRIPT, frontier_chart, frontier_html
from fastv.evidence import pareto
from fastv.evidence.measurements import all_measured
from fastv.pruning.config import PruningConfig

_SCENES, _PUBLISHED = pareto.SCENES, "average"
_SOURCES = {"Miniatures (measured)": _SCENES, "LLaVA-1.5 (published)": _PUBLISHED}


@dataclass
class ChartControls:
    """The components of the chart.

    Attributes
    ----------
    source
        Which scores are shown: a key of ``pareto.BENCHMARKS``.
    pane
        The chart; its event ``click`` tells of a point that was chosen.
    """

    source: gr.Radio
    pane: gr.HTML


def layout(model: str, pruning: PruningConfig) -> ChartControls:
    """Folded up, in the Blocks that are open."""
    source = _SCENES if all_measured() else _PUBLISHED
    with gr.Accordion("Chart: cost against score", open=False, elem_id="chart"):
        return ChartControls(
            gr.Radio(list(_SOURCES.items()), value=source, label="Scores", elem_id="chart-source"),
            gr.HTML(
                chart(model, pruning, source), elem_id="chart-pane", apply_default_css=False, js_on_load=SPOTS_SCRIPT
            ),
        )


def chart(model: str, pruning: PruningConfig, source: str) -> Markup:
    """The chart with a setting in it: of the model where it is among those shown, else of the larger one shown."""
    reason = pareto.available("total", source)
    shown = {one.model: max(point.cost for point in one.points) for one in pareto.series("total", source)}
    stand_in = model if model in shown else max(shown, key=lambda key: shown[key], default=model)
    drawn = None if reason else frontier_chart(stand_in, pruning, "total", source, lines_only=True)
    return frontier_html("app/compare/chart", drawn, reason=reason, is_other=stand_in != model)
