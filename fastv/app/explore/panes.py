"""The panes of the Explore tab, drawn from the controls' values."""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr

from fastv.app.explore import cost_map_html, pareto_html, state
from fastv.app.explore.advice_html import advice_pane
from fastv.app.explore.device_html import device_pane
from fastv.app.explore.equivalence_html import equivalence_pane
from fastv.app.explore.flops_html import flops_pane
from fastv.app.explore.layout import PANES
from fastv.app.explore.methods_html import methods_pane
from fastv.app.explore.state import Choices
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.shared import status
from fastv.app.shared.model_names import OWN
from fastv.costs import configs
from fastv.errors import FastVError
from fastv.presentation.html import render

logger = logging.getLogger(__name__)


def panes(choices: Choices) -> dict[str, Any]:
    """All panes as HTML, by their names in PANES, for the controls' values.

    Where values cannot be used, ``problem`` says why and the other panes stay as they are. Without a usable config of
    one's own there are no numbers to show.
    """
    try:
        if choices.model == OWN and (problem := _config_problem(choices.own_text)) is not None:
            return _without_numbers(choices, problem)
        chosen = state.settings(choices)
        return {
            "problem": "",
            "advice": advice_pane(chosen, choices.device, choices.may_lose),
            "map": cost_map_html.map_pane(chosen, choices.benchmark),
            "equivalence": equivalence_pane(chosen),
            "flops": flops_pane(chosen),
            "estimate": device_pane(chosen, choices.device),
            "frontier": pareto_html.frontier_pane(chosen, choices.axis, choices.benchmark),
            "methods": _methods(choices),
            "findings": pareto_html.findings_pane(),
        }
    except FastVError as error:
        problem = str(error)
    except Exception:
        logger.exception("the explorer failed")
        problem = INTERNAL_ERROR
    return {"problem": status.problem(problem)} | {name: gr.skip() for name in PANES if name != "problem"}


def _config_problem(text: str | None) -> str | None:
    """What is wrong with a config that was pasted: empty where nothing was pasted, None where nothing is wrong."""
    if not (text or "").strip():
        return ""
    try:
        configs.parse(text)
    except FastVError as error:
        return str(error)
    return None


def _without_numbers(choices: Choices, problem: str) -> dict[str, Any]:
    """The panes while there is no usable config: numbers of the model before would pass for its own."""
    return {
        "problem": status.problem(problem) if problem else "",
        "advice": "",
        "map": render("app/explore/no_config"),
        "equivalence": "",
        "flops": "",
        "estimate": "",
        "frontier": pareto_html.frontier_pane(None, choices.axis, choices.benchmark),
        "methods": _methods(choices),
        "findings": pareto_html.findings_pane(),
    }


def _methods(choices: Choices) -> Any:
    r = float(choices.methods_r.removesuffix("%")) / 100
    return methods_pane(choices.methods_model or "", choices.methods_equal, r, choices.methods_questions)
