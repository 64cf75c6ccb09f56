"""Handlers of the last change of several components, several of which may listen to one component."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import gradio as gr
from gradio.events import Dependency

from fastv.app.hosting.event_options import QUIET, TYPED


def after_changes(
    parts: Iterable[Any], handler: Callable[..., Any], inputs: Collection[Any], outputs: Collection[Any]
) -> Dependency:
    """Runs a handler when any of these components changed, and once more for changes while it ran.

    It waits behind an event that sends nothing. As Gradio 6.31 ends a handler that missed a change, it tells all
    handlers of that change anew: where two components change at once, those that are under way miss that, and tell all
    in their turn, without end.
    """
    changed = gr.on([part.change for part in parts], None, None, None, js="() => {}", **QUIET)
    return changed.then(handler, inputs, list(outputs), **TYPED)
