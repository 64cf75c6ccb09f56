"""The whole page, and how it is served."""

from __future__ import annotations

import os

import gradio as gr

from fastv.inputs import MAX_PICTURE_BYTES
from fastv.ui import api, compare_tab, explorer_api, explorer_events, explorer_tab, following
from fastv.ui.shelf import Shelf
from fastv.ui.theme import STYLE, colour_variables, theme

TITLE = "FastV explorer"
_INTRO = """<header class="intro"><h1>FastV explorer</h1><p>Ask about a picture and watch one model answer twice:
as it is, and with <b>FastV</b>, which drops the R percent of visual tokens that get the least attention, on entering
layer K.</p></header>"""
_QUEUE = 20  # runs that may wait; the next one is told that the app is busy
_FORGET_SECONDS = (600, 3_600)  # how often uploads are looked through, and how old they may get


def build(shelf: Shelf) -> gr.Blocks:
    """The page for the models of a shelf, the first of which is loaded."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=_FORGET_SECONDS) as page:
        gr.HTML(_INTRO, elem_id="intro", apply_default_css=False)
        with gr.Tabs() as tabs:
            with gr.Tab("Compare", id="compare") as compare:
                parts = compare_tab.build(shelf)
            with gr.Tab("Explore", id="explore") as explore:
                explorer_events.build(shelf, parts, explore)
        following.connect(page, tabs, {"compare": compare, "explore": explore}, parts, shelf)
        api.add(shelf)
        explorer_api.add()
    return page.queue(max_size=_QUEUE, default_concurrency_limit=1, api_open=False)


def serve(page: gr.Blocks, *, host: str | None = None, port: int | None = None, share: bool = False) -> str:
    """Starts serving in the background and returns the address; ``page.block_thread()`` waits until it ends.

    host and port: where None, Gradio's: its environment variables, else 127.0.0.1 and the first free port from 7860.
    """
    # Gradio asks itself over HTTP whether it is up: a proxy must not be in between.
    local = "127.0.0.1,localhost"
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = f"{os.environ[name]},{local}" if os.environ.get(name) else local
    _, address, public = page.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        quiet=True,
        theme=theme(),
        css=colour_variables(),
        css_paths=[STYLE, explorer_tab.STYLE],
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        strict_cors=True,
        max_file_size=MAX_PICTURE_BYTES,
        footer_links=["api"],
        pwa=False,
        mcp_server=False,
    )
    return public or address
