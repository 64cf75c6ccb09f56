"""``GET /healthz``: whether the app is up, its models, and its queue. Contains no per-user data."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fastv.app.hosting.event_options import MODEL_QUEUE
from fastv.app.hosting.gradio_adapter import is_stopped, running_events, waiting_events
from fastv.app.service.model_pool import ModelPool


def facts(page: gr.Blocks, pool: ModelPool, queue_limit: int) -> dict[str, Any]:
    """The state of the app, without changing it.

    ``status`` is "ok", or "stopped" once the queue is. ``model`` and ``dtype`` are those the app was started with,
    ``loaded`` are all models in memory. The queue has ``waiting`` runs of at most ``limit``, and is ``busy`` while one
    is running.
    """
    return {
        "status": "stopped" if is_stopped(page) else "ok",
        "model": pool.default,
        "device": pool.device_type,
        "dtype": pool.default_dtype,
        "loaded": [key for key in pool.entries if pool.is_loaded(key)],
        "queue": {
            "waiting": waiting_events(page, MODEL_QUEUE),
            "limit": queue_limit,
            "busy": running_events(page, MODEL_QUEUE) > 0,
        },
    }


def route(page: gr.Blocks, pool: ModelPool, queue_limit: int) -> Route:
    async def healthz(_: Request) -> JSONResponse:
        now = facts(page, pool, queue_limit)
        return JSONResponse(now, 200 if now["status"] == "ok" else 503, {"Cache-Control": "no-store"})

    return Route("/healthz", healthz, methods=["GET"])
