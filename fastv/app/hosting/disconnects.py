"""Whether the one who asked is still there: Gradio tells nobody, so its queue is looked at."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr
from gradio.context import LocalContext

from fastv.worker import never


def asker() -> gr.Request | None:
    """The request behind the event that is being handled; None outside of one."""
    return LocalContext.request.get(None)


def has_left() -> Callable[[], bool]:
    """For the event being handled: says, from any thread, whether its asker has left or pressed Stop."""
    blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    queue = getattr(blocks, "_queue", None)
    event = queue.event_ids_to_events.get(event_id) if queue is not None and event_id else None
    if event is None:
        return never

    def left() -> bool:
        # Not alive: the connection that would hear of it is closed. No longer pending: it was told that it is over,
        # which only a cancelled event is while it still runs.
        pending = queue.pending_event_ids_session.get(event.session_hash, ())
        return not event.alive or event_id not in pending

    return left
