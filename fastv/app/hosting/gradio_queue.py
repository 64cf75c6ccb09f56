"""Limits of the queue that all runs share: its length, and one visitor's part of it."""

from __future__ import annotations

import gradio as gr

from fastv.app.hosting.event_options import MODEL_QUEUE
from fastv.app.hosting.gradio_adapter import Refusal, check_joins, waiting_events


def limit(page: gr.Blocks, most: int, most_per_visitor: int) -> None:
    """Refuses events of the models' queue beyond ``most``, with messages in the form Gradio's clients show."""

    def refusal(concurrency_id: str | None, session: str | None) -> Refusal | None:
        if concurrency_id != MODEL_QUEUE:
            return None
        if waiting_events(page, MODEL_QUEUE) >= most:
            return (
                False,
                f"The app is busy: {most} runs are already waiting. Please try again in a minute.",
                "queue_full",
            )
        if session and waiting_events(page, MODEL_QUEUE, session) >= most_per_visitor:
            message = f"You already have {most_per_visitor} runs waiting: please wait for one of them."
            problem = {"__type__": "validate", "is_valid": False, "message": message, "parameter_name": "request"}
            return False, [problem], "validator_error"
        return None

    check_joins(page, refusal)
