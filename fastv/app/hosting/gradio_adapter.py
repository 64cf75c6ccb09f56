"""The one module that reads attributes of Gradio that are not public; its tests pin them down for upgrades."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import gradio as gr
from gradio import routes
from gradio.blocks import BlockFunction, BlocksConfig
from gradio.context import LocalContext
from gradio.processing_utils import save_bytes_to_cache
from gradio.queueing import Queue

from fastv.worker import never

Refusal = tuple[bool, Any, str]  # what Queue.push returns for an event that does not join: False, message, kind


def current_request() -> gr.Request | None:
    """The request behind the event that is being handled; None outside of one."""
    return LocalContext.request.get(None)


def disconnected() -> Callable[[], bool]:
    """A function, callable from any thread, that says whether the current event's asker has left or pressed Stop.

    Outside of an event it is never so.
    """
    blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    queue = getattr(blocks, "_queue", None)
    event = queue.event_ids_to_events.get(event_id) if queue is not None and event_id else None
    if queue is None or event is None:
        return never

    def left() -> bool:
        # Not alive: the connection that listens for it is closed. No longer pending: its end was announced, which
        # only happens to a cancelled event while it still runs.
        pending = queue.pending_event_ids_session.get(event.session_hash, ())
        return not event.alive or event_id not in pending

    return left


def waiting_events(page: gr.Blocks, concurrency_id: str, session: str | None = None) -> int:
    """How many events wait in a queue: of all sessions, or of one."""
    queues = queue_of(page).event_queue_per_concurrency_id
    if concurrency_id not in queues:
        return 0
    return sum(session in (None, event.session_hash) for event in queues[concurrency_id].queue)


def running_events(page: gr.Blocks, concurrency_id: str) -> int:
    """How many events of a queue are being handled."""
    queues = queue_of(page).event_queue_per_concurrency_id
    return queues[concurrency_id].current_concurrency if concurrency_id in queues else 0


def is_stopped(page: gr.Blocks) -> bool:
    """Whether the page's queue takes no more events."""
    return bool(queue_of(page).stopped)


def queue_of(page: gr.Blocks) -> Queue:
    return page._queue


def look_less_often(page: gr.Blocks) -> None:
    """Looks for new events 100 times a second, and for progress to tell 20 times.

    Gradio does so 1,000 and 100 times: that takes 6% of a core from an app nobody uses, and from each timed pass.
    """
    queue = queue_of(page)
    queue.sleep_when_free, queue.progress_update_sleep_when_free = 0.01, 0.05


def check_joins(page: gr.Blocks, refusal: Callable[[str | None, str | None], Refusal | None]) -> None:
    """Asks ``refusal(concurrency_id, session)`` before an event joins a queue; a result other than None refuses it."""
    queue = queue_of(page)
    push: Callable[..., Awaitable[Any]] = queue.push

    async def checked_push(body: Any, request: Any, username: str | None) -> Any:
        function = queue.blocks.fns.get(body.fn_index)
        if function is None:
            return False, "There is no such function.", "error"
        refused = refusal(function.concurrency_id, body.session_hash)
        return refused if refused is not None else await push(body, request, username)

    queue.push = checked_push  # type: ignore[method-assign]  # Gradio has no hook for this


_stoppable: WeakSet[Queue] = WeakSet()
_cancel_tasks = routes.cancel_tasks


def stop_in_order(page: gr.Blocks) -> None:
    """Stop takes a session's waiting events of the same function out of the queue before it ends the running one.

    Gradio ends the running one first, waits for it, and meanwhile starts the next.
    """
    queue = queue_of(page)
    _stoppable.add(queue)
    routes.cancel_tasks = _cancel_waiting_first
    reset: Callable[[str], Awaitable[None]] = queue.reset_iterators

    async def reset_once(event_id: str) -> None:
        with suppress(KeyError):  # the route that cancels has done it meanwhile
            await reset(event_id)

    queue.reset_iterators = reset_once  # type: ignore[method-assign]


async def _cancel_waiting_first(task_ids: set[str]) -> list[str]:
    for queue in list(_stoppable):
        waiting = [event for each in queue.event_queue_per_concurrency_id.values() for event in each.queue]
        for event in waiting:
            if f"{event.session_hash}_{event.fn._id}" in task_ids:
                await queue.remove_from_queue(event._id)
    return await _cancel_tasks(task_ids)


_shared_configs: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
_config_for_block = BlocksConfig.config_for_block


def share_block_configs(page: gr.Blocks) -> None:
    """Describes the page's components once, and not for every new session. Call it when the page is built.

    Gradio describes all of them again, in the event loop, for each visitor and each call of a script without a
    session: most of the time that the server takes for an endpoint that only computes. Components that a session has
    changed are objects of their own there, and are described as before.
    """
    for number, block in page.default_config.blocks.items():
        _shared_configs[block] = _config_for_block(number, [], block)
    BlocksConfig.config_for_block = staticmethod(_shared_config)  # type: ignore[method-assign]


def _shared_config(_id: int, rendered_ids: list[int], block: Any, renderable: Any = None) -> dict[str, Any]:
    shared = _shared_configs.get(block) if renderable is None else None
    if shared is None:
        return _config_for_block(_id, rendered_ids, block, renderable)
    return shared | {"props": dict(shared["props"])}  # a session writes its values into the props


def fill_missing_values(page: gr.Blocks) -> None:
    """Gives endpoints the defaults of values that a call leaves out at the end.

    Gradio's clients send them all, by what the page says of itself when they are made; a script that posts a list keeps
    working when an endpoint gains a parameter.
    """
    validate = page.validate_inputs

    def filled(block_fn: BlockFunction, inputs: list[Any]) -> None:
        if block_fn.api_visibility == "public" and block_fn.fn is not None:
            parameters = list(inspect.signature(block_fn.fn).parameters.values())[len(inputs) :]
            if all(parameter.default is not parameter.empty for parameter in parameters):
                inputs.extend(parameter.default for parameter in parameters)
        validate(block_fn, inputs)

    page.validate_inputs = filled  # type: ignore[method-assign]  # Gradio has no hook for this


def public_endpoints(page: gr.Blocks) -> list[str]:
    """The names of the endpoints for scripts."""
    return [str(function.api_name) for function in page.fns.values() if function.api_visibility == "public"]


def built_in_files(page: gr.Blocks) -> set[str]:
    """The cached files that the page itself was built with, such as its example images."""
    return {path for block in list(page.blocks.values()) for path in _kept_in_cache(block)}


def _kept_in_cache(block: Any) -> Iterable[str]:
    return getattr(block, "keep_in_cache", ())


def cache_file(component: Any, name: str, data: str | bytes) -> str:
    """Writes a file for a component into Gradio's cache, which is cleaned up regularly; returns its path."""
    written = data.encode("utf-8", "replace") if isinstance(data, str) else data
    return save_bytes_to_cache(written, name, component.GRADIO_CACHE)
