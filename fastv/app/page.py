"""The whole page, and how it is served."""

from __future__ import annotations

import os

import gradio as gr
from starlette.middleware import Middleware

from fastv.app import url_sync
from fastv.app.api import compare as api
from fastv.app.api import costs, health
from fastv.app.compare import layout as compare_layout
from fastv.app.explore import events as explore_events
from fastv.app.explore import layout as explore_layout
from fastv.app.hosting import gradio_queue, reload_on_restart, upload_cleanup
from fastv.app.hosting.http_guard import HttpGuard
from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.theme import STYLE, colour_variables, theme

TITLE = "FastV explorer"
_INTRO = """<header class="intro"><h1>FastV explorer</h1><p>What does a cheaper answer cost in quality? Ask about a picture
and compare two answers: from the model as it is, and with
<b><a href="https://arxiv.org/abs/2403.06764" target="_blank" rel="noopener">FastV</a></b>, which from layer K on drops the
R percent of visual tokens that got the least attention.</p></header>"""
_LINES = 200  # small things of the page that may wait, on top of the runs


def build(pool: ModelPool) -> gr.Blocks:
    """The page for the models of a pool, the first of which is loaded; served as the pool's hosting settings say."""
    settings = pool.policy.settings
    folder, forget = upload_cleanup.private_folder(), settings.forget_seconds
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(max(1, forget // 6), forget)) as page:
        gr.HTML(_INTRO, elem_id="intro", apply_default_css=False)
        with gr.Tabs() as tabs:
            with gr.Tab("Compare", id="compare") as compare:
                parts = compare_layout.build(pool)
            with gr.Tab("Explore", id="explore") as explore:
                explorer = explore_events.build(pool, parts, explore)
        url_sync.connect(page, tabs, {"compare": compare, "explore": explore}, parts, explorer, pool)
        reload_on_restart.watch(page)
        api.add(pool)
        costs.add()
    page.queue(max_size=settings.queue + _LINES, default_concurrency_limit=1, api_open=False)
    gradio_queue.limit(page._queue, settings.queue, settings.waiting_per_visitor)
    page.fastv = pool, folder  # for ``serve``
    return page


def serve(page: gr.Blocks, *, host: str | None = None, port: int | None = None, share: bool = False) -> str:
    """Starts serving in the background and returns the address; ``page.block_thread()`` waits until it ends.

    host and port: where None, Gradio's: its environment variables, else 127.0.0.1 and the first free port from 7860.
    """
    pool, folder = page.fastv
    settings = pool.policy.settings
    # Gradio asks itself over HTTP whether it is up: a proxy must not be in between.
    local = "127.0.0.1,localhost"
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = f"{os.environ[name]},{local}" if os.environ.get(name) else local
    # Whose X-Forwarded-For counts is a setting; uvicorn would believe everything that comes through a tunnel.
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
    door = Middleware(
        HttpGuard,
        picture_bytes=settings.picture_bytes,
        uploads_per_minute=settings.uploads_per_minute,
        proxies=settings.trust_proxy or 0,
        names=[one.api_name for one in page.fns.values() if one.api_visibility == "public"],
    )
    _, address, public = page.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        quiet=True,
        theme=theme(),
        css=colour_variables(),
        css_paths=[STYLE, explore_layout.STYLE],
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        strict_cors=True,
        max_file_size=settings.picture_bytes,
        allowed_paths=[],
        app_kwargs={
            "middleware": [door],
            "routes": [health.route(page, pool)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        footer_links=["api"],
        pwa=False,
        mcp_server=False,
    )
    upload_cleanup.start_cleanup(folder, settings.forget_seconds, lambda: _own_files(page), lambda: page.is_running)
    return public or address


def _own_files(page: gr.Blocks) -> set[str]:
    """Files the page itself was built with: its examples and first picture."""
    return {path for part in list(page.blocks.values()) for path in getattr(part, "keep_in_cache", ())}
