"""``GET /healthz``: whether the app is up, on what, and how busy it is. Nothing in it is anybody's business alone."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fastv.app.hosting.gradio_queue import LINE, running, waiting
from fastv.app.service.model_pool import Shelf


def facts(page: gr.Blocks, shelf: Shelf) -> dict[str, Any]:
    """status: "ok", or "stopped" once the queue is. model: the one the app was started with, and the dtype it then had;
    loaded: all in memory. waiting: runs in line, of limit. busy: whether one is being made.

    Looks, and loads nothing: the first model may have gone to make room for another.
    """
    queue = page._queue
    return {
        "status": "stopped" if queue.stopped else "ok",
        "model": shelf.default,
        "device": shelf.device.type,
        "dtype": shelf.default_dtype,
        "loaded": [key for key in shelf.entries if shelf.is_loaded(key)],
        "queue": {
            "waiting": waiting(queue, LINE),
            "limit": shelf.hosting.settings.queue,
            "busy": running(queue, LINE) > 0,
        },
    }


def route(page: gr.Blocks, shelf: Shelf) -> Route:
    async def healthz(_: Request) -> JSONResponse:
        now = facts(page, shelf)
        return JSONResponse(now, 200 if now["status"] == "ok" else 503, {"Cache-Control": "no-store"})

    return Route("/healthz", healthz, methods=["GET"])
