"""The line of those who wait for a model: how long it may get, and how much of it one visitor may take.

Gradio serves a line in order and tells everybody in it their place.
"""

from __future__ import annotations

from typing import Any

from gradio.queueing import Queue

from fastv.app.hosting.event_options import ONE_AT_A_TIME

LINE = ONE_AT_A_TIME["concurrency_id"]


def waiting(queue: Queue, line: str, session: str | None = None) -> int:
    """How many wait in a line, or how many of a session do."""
    events = queue.event_queue_per_concurrency_id
    return sum(session in (None, event.session_hash) for event in events[line].queue) if line in events else 0


def running(queue: Queue, line: str) -> int:
    events = queue.event_queue_per_concurrency_id
    return events[line].current_concurrency if line in events else 0


def limit(queue: Queue, most: int, most_of_one: int) -> None:
    """Lets the next in the models' line know that it is full, in words that Gradio's clients show."""
    join = queue.push

    async def push(body: Any, request: Any, username: str | None) -> tuple:
        asked = queue.blocks.fns.get(body.fn_index)
        if asked is None:
            return False, "There is no such function.", "error"
        if asked.concurrency_id == LINE:
            if waiting(queue, LINE) >= most:
                return False, f"The app is busy: {most} runs wait already. Please try again in a minute.", "queue_full"
            if body.session_hash and waiting(queue, LINE, body.session_hash) >= most_of_one:
                words = f"You have {most_of_one} runs waiting already: please wait for one of them."
                said = {"__type__": "validate", "is_valid": False, "message": words, "parameter_name": "request"}
                return False, [said], "validator_error"
        return await join(body, request, username)

    queue.push = push
