"""``GET /healthz``: whether the app is up, on what, and how busy it is. Nothing in it is anybody's business alone."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fastv.app.hosting.gradio_queue import LINE, running, waiting
from fastv.app.service.model_pool import ModelPool


def facts(page: gr.Blocks, pool: ModelPool) -> dict[str, Any]:
    """status: "ok", or "stopped" once the queue is. model: the one the app was started with, and the dtype it then had;
    loaded: all in memory. waiting: runs in line, of limit. busy: whether one is being made.

    Looks, and loads nothing: the first model may have gone to make room for another.
    """
    queue = page._queue
    return {
        "status": "stopped" if queue.stopped else "ok",
        "model": pool.default,
        "device": pool.device.type,
        "dtype": pool.default_dtype,
        "loaded": [key for key in pool.entries if pool.is_loaded(key)],
        "queue": {
            "waiting": waiting(queue, LINE),
            "limit": pool.policy.settings.queue,
            "busy": running(queue, LINE) > 0,
        },
    }


def route(page: gr.Blocks, pool: ModelPool) -> Route:
    async def healthz(_: Request) -> JSONResponse:
        now = facts(page, pool)
        return JSONResponse(now, 200 if now["status"] == "ok" else 503, {"Cache-Control": "no-store"})

    return Route("/healthz", healthz, methods=["GET"])
