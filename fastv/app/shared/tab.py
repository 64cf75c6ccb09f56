"""What a tab is: a package that exposes ``TAB``, and one entry in ``fastv.app.tabs``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy

#: What an event handler returns: new values by component; components that are left out stay as they are.
Updates = dict[Any, Any]
#: What an event handler with a set of inputs receives: current values by component.
Values = Mapping[Any, Any]


def or_skip(updates: Updates) -> Any:
    """The updates in a form that Gradio also accepts when there are none."""
    return updates or gr.skip()


@dataclass(frozen=True)
class SharedPruning:
    """K and R, which are the same on all tabs: the tab that owns their sliders lets other tabs set them.

    Attributes
    ----------
    k, r
        The sliders; R in percent.
    inputs
        Components whose values ``set`` needs.
    outputs
        Components that ``set`` may update.
    set
        ``set(values, k, r_percent)`` returns the updates; ``k`` is among them unless they could not be taken over.
    """

    k: gr.Slider
    r: gr.Slider
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    set: Callable[[Values, int, float], Updates]


@dataclass
class TabContext:
    """What a tab is built with.

    Attributes
    ----------
    pool, policy
        For tabs that run models.
    container
        The ``gr.Tab`` the tab is laid out in.
    pruning
        Set by the tab that owns K and R, for those that are built after it.
    sweep
        Where a tab shows the latest sweep of the visit, for those that are built after it; filled by
        ``shared.sweep_chart.sweep_pane``.
    """

    pool: ModelPool
    policy: RunPolicy
    container: gr.Tab
    pruning: SharedPruning | None = None
    sweep: gr.HTML | None = None


def _follows_nothing(query: Mapping[str, str]) -> Updates:
    return {}


@dataclass(frozen=True)
class BuiltTab:
    """What the page needs of a tab after it was laid out.

    Attributes
    ----------
    query
        A hidden text box that holds what is chosen, as a query of the tab's link fields; it is kept in the address.
    outputs
        Components that ``follow`` may update.
    follow
        Updates for the query of the address the page was opened with.
    """

    query: gr.Textbox | None = None
    outputs: tuple[Any, ...] = ()
    follow: Callable[[Mapping[str, str]], Updates] = _follows_nothing


@dataclass(frozen=True)
class Tab:
    """One tab of the page.

    Attributes
    ----------
    id
        Its name in links, as ``tab=``.
    title
        Its name on the page.
    build
        Lays it out in the Blocks that are open, and connects it.
    link_fields
        Query parameters of the address that are this tab's own.
    css
        Its style sheet, if any.
    """

    id: str
    title: str
    build: Callable[[TabContext], BuiltTab]
    link_fields: tuple[str, ...] = ()
    css: Path | None = None
