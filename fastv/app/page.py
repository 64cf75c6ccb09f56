"""The whole page, and how it is served."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from fastv.app import link_preview, shared_link, url_sync
from fastv.app.api import choices, costs, health
from fastv.app.api import compare as api
from fastv.app.hosting import gradio_adapter, gradio_queue, reload_on_restart, upload_cleanup
from fastv.app.hosting.http_guard import HttpGuard
from fastv.app.link_preview import LinkPreview
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import dropdown_search
from fastv.app.shared.tab import BuiltTab, Tab, TabContext
from fastv.app.shared.theme import STYLE, color_variables, theme
from fastv.app.tabs import TABS
from fastv.presentation.html import render
from fastv.presentation.palette import method_styles

TITLE = "FastV explorer"
_SHORT_EVENTS = 200  # events of the page that may wait, besides the runs


@dataclass(frozen=True)
class Page:
    """The built page, and what serving it needs."""

    blocks: gr.Blocks
    pool: ModelPool
    policy: RunPolicy
    uploads: Path
    styles: list[Path]


def build(pool: ModelPool, policy: RunPolicy | None = None, tabs_to_show: Sequence[Tab] = TABS) -> Page:
    """Builds the page.

    Parameters
    ----------
    pool
        Its default model is in memory.
    policy
        None only limits sizes.
    tabs_to_show
        By default all that are registered.
    """
    policy = policy or RunPolicy()
    settings = policy.settings
    uploads, forget = upload_cleanup.private_folder(), settings.forget_seconds
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(max(1, forget // 6), forget)) as page:
        gr.HTML(render("app/intro", title=TITLE), elem_id="intro", apply_default_css=False)
        shared_link.connect(page)
        with gr.Tabs():
            built = build_tabs(tabs_to_show, pool, policy)
        url_sync.connect(page, built)
        dropdown_search.connect(page)
        reload_on_restart.watch(page)
        api.add(pool, policy)
        costs.add()
        choices.add()
    page.queue(max_size=settings.queue + _SHORT_EVENTS, default_concurrency_limit=1, api_open=False)
    gradio_queue.limit(page, settings.queue, settings.waiting_per_visitor)
    gradio_adapter.fill_missing_values(page)
    gradio_adapter.stop_in_order(page)
    gradio_adapter.look_less_often(page)
    gradio_adapter.share_block_configs(page)
    styles = [tab.css for tab in tabs_to_show if tab.css is not None]
    return Page(page, pool, policy, uploads, styles)


def build_tabs(tabs: Sequence[Tab], pool: ModelPool, policy: RunPolicy) -> list[tuple[Tab, gr.Tab, BuiltTab]]:
    """Lays the tabs out in the Blocks that are open."""
    built, pruning, sweep = [], None, None
    for tab in tabs:
        with gr.Tab(tab.title, id=tab.id) as container:
            gr.HTML(render("app/tab_heading", title=tab.title), elem_classes="tab-heading", apply_default_css=False)
            context = TabContext(pool, policy, container, pruning, sweep)
            built.append((tab, container, tab.build(context)))
            pruning, sweep = context.pruning, context.sweep
    return built


def serve(page: Page, *, host: str | None = None, port: int | None = None, share: bool = False) -> str:
    """Starts serving in the background and returns the address; ``page.blocks.block_thread()`` waits for its end.

    Parameters
    ----------
    host, port
        None is Gradio's default: its environment variables, else 127.0.0.1 and the first free port from 7860.
    share
        Also opens a public address through Gradio's servers, which is then the one returned.
    """
    blocks, settings = page.blocks, page.policy.settings
    # Gradio checks over HTTP whether it is up: no proxy may be in between.
    local = "127.0.0.1,localhost"
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = f"{os.environ[name]},{local}" if os.environ.get(name) else local
    # Which X-Forwarded-For is trusted is a setting; uvicorn would trust any that comes through a tunnel.
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
    guard = Middleware(
        HttpGuard,
        picture_bytes=settings.picture_bytes,
        uploads_per_minute=settings.uploads_per_minute,
        proxies=settings.trust_proxy or 0,
        names=gradio_adapter.public_endpoints(blocks),
    )
    _, address, public = blocks.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        quiet=True,
        theme=theme(),
        css=color_variables() + method_styles(),
        css_paths=[STYLE, *page.styles],
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        strict_cors=True,
        max_file_size=settings.picture_bytes,
        allowed_paths=[],
        app_kwargs={
            "middleware": [guard, Middleware(LinkPreview, title=TITLE)],
            "routes": [health.route(blocks, page.pool, settings.queue), link_preview.route()],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        footer_links=["api"],
        pwa=False,
        mcp_server=False,
    )
    upload_cleanup.start_cleanup(
        page.uploads,
        settings.forget_seconds,
        lambda: gradio_adapter.built_in_files(blocks),
        lambda: blocks.is_running,
    )
    return public or address
